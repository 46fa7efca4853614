"""The world a guest sees through WASI: an activity's is real, a workflow's is deterministic."""

from collections.abc import Awaitable, Collection, Sequence
from typing import Protocol

from obelisk_runtime.core.deployment import DirectoryGrant
from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.ports.network import NetworkGrants


class GuestWorld(Protocol):
    """Part of the context object of every guest call."""

    def wall_clock(self) -> Instant:
        """Now; in a workflow its own now, which moves only with its log."""
        ...

    def monotonic(self) -> int:
        """Nanoseconds since some fixed instant, never going back."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """Random; in a workflow drawn from its seed."""
        ...

    def wait(self, nanoseconds: int) -> Awaitable[None]:
        """Done after this long; in a workflow a durable delay."""
        ...

    def environment(self) -> Sequence[tuple[str, str]]: ...

    def directories(self) -> Sequence[DirectoryGrant]:
        """What the guest sees of the file system; nothing in a workflow."""
        ...

    @property
    def network(self) -> NetworkGrants | None:
        """What its HTTP requests may reach; None: it makes none."""
        ...

    def requested(self, made: RequestMade) -> None:
        """An HTTP request has ended; it is told of each one, denied ones too, also after the guest has ended."""
        ...

    def write(self, source: str, data: bytes) -> None:
        """Bytes the guest wrote to `stdout` or `stderr`; whole lines become log records."""
        ...


class GuestResources(Protocol):
    """What one guest call holds between its host calls: streams, files and the like."""

    def close(self) -> Collection[Awaitable[None]]:
        """The guest has ended: release all of it. What is returned must be done before its outcome counts."""
        ...
