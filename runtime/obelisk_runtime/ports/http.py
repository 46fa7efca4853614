"""HTTP requests that components handle: between whoever listens and the library of host functions."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from obelisk_runtime.ports.engine import Value

HeaderField = tuple[str, bytes]


class HttpBroken(Exception):
    """The other side of a request or an answer cannot go on; the message says why, and holds no secret."""


class RequestBody(Protocol):
    async def read(self) -> bytes:
        """The next bytes, some 64 KiB at most; b"" at the end. Never two at a time. Raises: HttpBroken."""
        ...

    def close(self) -> None:
        """Nobody reads on. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came. Header fields that no guest may see are left out by the library."""

    method: str
    path: str
    """With the query."""
    headers: Sequence[HeaderField]
    scheme: str
    authority: str
    body: RequestBody
    body_bytes_max: int
    """A guest that reads beyond is told that the body is too large."""


class HttpAnswer(Protocol):
    """What a guest answers. It may go on after that."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Sequence[HeaderField]: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as the guest writes it, in one task. The guest waits while nobody asks for more.

        Raises: HttpBroken, if the guest does not finish it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request in the hands of a guest."""

    arguments: tuple[Value, ...]
    """Of the handler that the guest exports."""
    answer: Awaitable[HttpAnswer]
    """A future. Raises: HttpBroken, if the guest answers nothing, or with an error."""
