"""Host functions that the service is given: what a guest library is."""

from collections.abc import Mapping
from typing import Protocol

from obelisk_runtime.ports.engine import CompiledComponent, HostFunction, ResourceDestructor
from obelisk_runtime.ports.guest import GuestResources, GuestWorld
from obelisk_runtime.ports.http import HttpRequest, Incoming

Bindings = tuple[Mapping[tuple[str, str], HostFunction], Mapping[tuple[str, str], ResourceDestructor]]


class GuestLibrary(Protocol):
    """Host functions that do not depend on executions: WASI."""

    def bind(self, component: CompiledComponent) -> Bindings:
        """What the component imports of it. Raises: ObeliskError naming an interface that is not known."""
        ...

    def state(self, world: GuestWorld) -> GuestResources:
        """What one guest call keeps between host calls; the library finds it as `context.wasi`."""
        ...

    def arrive(self, state: GuestResources, request: HttpRequest) -> Incoming:
        """An HTTP request for the guest whose state this is."""
        ...
