"""What one guest call holds of WASI: its world and the resources it has handles to."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.ports.guest import GuestWorld

RESOURCES_MAX = 10_000
"""Streams, pollables and the like that one guest call may hold at once; one more traps."""

_Resource = TypeVar("_Resource")


class WasiState:
    """The world and the resource table of one guest call.

    Handles (`rep`) are counted from 1 and reused, last dropped first, so that equal runs see equal handles.
    """

    __slots__ = ("_dropped", "_resources", "world")

    def __init__(self, world: GuestWorld) -> None:
        self.world = world
        self._resources: dict[int, object] = {}
        self._dropped: list[int] = []

    def add(self, resource: object) -> int:
        """Raises: GuestTrap, when the guest holds RESOURCES_MAX already."""
        if len(self._resources) >= RESOURCES_MAX:
            raise GuestTrap(f"the guest holds {RESOURCES_MAX} WASI resources, which is the most it may")
        rep = self._dropped.pop() if self._dropped else len(self._resources) + 1
        self._resources[rep] = resource
        return rep

    def get(self, rep: int, kind: type[_Resource]) -> _Resource:
        resource = self._resources[rep]
        assert isinstance(resource, kind), f"handle {rep} is no {kind.__name__}; the component model checks handles"
        return resource

    def drop(self, rep: int) -> None:
        del self._resources[rep]
        self._dropped.append(rep)


class WasiContext(Protocol):
    """What the context object of a call has for WASI."""

    @property
    def wasi(self) -> WasiState: ...


WasiCall = Callable[..., Value | Awaitable[Value]]
"""`(state, *arguments) -> value`, at once or later."""

Interfaces = Mapping[str, Mapping[str, WasiCall]]
"""Interface, `name: WIT type`, implementation. What an interface has beyond that is present and denied."""
