"""What one guest call holds of WASI: its world and the resources it has handles to."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.ports.guest import GuestWorld
from obelisk_runtime.wasi.files.open_file import OpenFiles

if TYPE_CHECKING:
    from obelisk_runtime.wasi.http.outgoing import Outgoing

RESOURCES_MAX = 10_000
"""Streams, pollables and the like that one guest call may hold at once; one more traps."""


class Resource:
    """What a guest may hold a handle to."""

    __slots__ = ()

    def close(self) -> None:
        """The guest has dropped it, or has ended: release what it holds. At most once, synchronous."""


_Resource = TypeVar("_Resource", bound=Resource)


class WasiState:
    """The world and the resource table of one guest call.

    Handles (`rep`) are counted from 1 and reused, last dropped first, so that equal runs see equal handles. A child,
    such as the pollable of a stream, must be dropped before its parent: the component model demands it of guests.
    """

    __slots__ = ("_children", "_dropped", "_parents", "_resources", "_unfinished", "files", "outgoing", "world")

    def __init__(self, world: GuestWorld, outgoing: "Outgoing | None" = None, files: OpenFiles | None = None) -> None:
        self.world = world
        self.files = OpenFiles() if files is None else files
        """What the files that it opens are counted in, with those of other guests."""
        self.outgoing = outgoing
        """Sends the guest's HTTP requests; None: all are denied."""
        self._resources: dict[int, Resource] = {}
        self._parents: dict[int, int] = {}
        self._children: dict[int, int] = {}
        """How many children the parents have."""
        self._dropped: list[int] = []
        self._unfinished: set[asyncio.Task[None]] = set()

    def add(self, resource: Resource, parent: int | None = None) -> int:
        """Raises: GuestTrap, when the guest holds RESOURCES_MAX already."""
        if len(self._resources) >= RESOURCES_MAX:
            raise GuestTrap(f"the guest holds {RESOURCES_MAX} WASI resources, which is the most it may")
        rep = self._dropped.pop() if self._dropped else len(self._resources) + 1
        self._resources[rep] = resource
        if parent is not None:
            self._parents[rep] = parent
            self._children[parent] = self._children.get(parent, 0) + 1
        return rep

    def get(self, rep: int, kind: type[_Resource]) -> _Resource:
        resource = self._resources[rep]
        assert isinstance(resource, kind), f"handle {rep} is no {kind.__name__}; the component model checks handles"
        return resource

    def count(self, *kinds: type[Resource]) -> int:
        """How many resources of these kinds the guest holds."""
        return sum(isinstance(resource, kinds) for resource in self._resources.values())

    def take(self, rep: int, kind: type[_Resource]) -> _Resource:
        """The guest gave its own handle away: it has it no more. Raises: GuestTrap, if a child is left."""
        resource = self.get(rep, kind)
        if self._children.get(rep):
            raise GuestTrap(f"the guest gave up a {kind.__name__} before what it got from it")
        self._forget(rep)
        return resource

    def drop(self, rep: int) -> None:
        """Raises: GuestTrap, if a child is left."""
        resource = self._resources[rep]
        if self._children.get(rep):
            raise GuestTrap(f"the guest dropped a {type(resource).__name__} before what it got from it")
        self._forget(rep)
        resource.close()

    def finish(self, work: Coroutine[None, None, None]) -> None:
        """Do this beside the guest; its call has not ended before that is done."""
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)

    def close(self) -> Collection[asyncio.Task[None]]:
        """The guest has ended: release all that it left, children first; idempotent. Returns what is yet to be done."""
        resources = list(self._resources.values())
        self._resources.clear()
        for resource in reversed(resources):
            resource.close()
        return frozenset(self._unfinished)

    def _forget(self, rep: int) -> None:
        del self._resources[rep]
        self._children.pop(rep, None)
        parent = self._parents.pop(rep, None)
        if parent is not None:
            self._children[parent] -= 1
        self._dropped.append(rep)


class WasiContext(Protocol):
    """What the context object of a call has for WASI."""

    @property
    def wasi(self) -> WasiState: ...


WasiCall = Callable[..., Value | Awaitable[Value]]
"""`(state, *arguments) -> value`, at once or later."""

Interfaces = Mapping[str, Mapping[str, WasiCall]]
"""Interface, `name: WIT type` (`name` alone: of any type), implementation."""
