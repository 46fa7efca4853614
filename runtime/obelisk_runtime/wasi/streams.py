"""Streams of bytes between a guest and the host, with backpressure.

A guest reads an `InputStream` and writes an `OutputStream`; what they do is for subclasses. Two of these join a guest
to asyncio: `SourceStream` asks a coroutine for bytes when the guest wants some, `BufferedOutputStream` keeps what the
guest wrote until a coroutine takes it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ClassVar

from obelisk_runtime.wasi.pollables import Changes
from obelisk_runtime.wasi.state import Resource

READ_BYTES_MAX = 64 * 1024
"""What one read answers at most."""
BUFFER_BYTES_MAX = 64 * 1024
"""What a guest may write before the host has taken it."""


class IoError(Resource):
    """wasi:io/error: why an operation on a stream failed; `code` is for the interface that made the stream."""

    __slots__ = ("code", "message")

    def __init__(self, message: str, code: object = None) -> None:
        self.message = message
        self.code = code


class StreamClosed(Exception):
    """The stream is at its end."""


class StreamFailed(Exception):
    """An operation failed; the stream is closed after that."""

    def __init__(self, error: IoError) -> None:
        super().__init__(error.message)
        self.error = error


class InputStream(Resource):
    """A stream that is at its end. A `Subject`."""

    __slots__ = ("changes",)

    prompt: ClassVar[bool] = False
    """Its bytes depend on nobody, as those of a file. No read answers "none yet", which guests may take for the end."""

    def __init__(self) -> None:
        self.changes = Changes()

    def ready(self) -> bool:
        """Whether `read` would answer bytes, the end, or a failure."""
        return True

    def read(self, length: int) -> bytes:
        """At most `length` bytes, at once; none if none are there yet. Raises: StreamClosed, StreamFailed."""
        del length
        raise StreamClosed


class OutputStream(Resource):
    """A stream that nobody takes from. A `Subject`."""

    __slots__ = ("changes", "permitted")

    def __init__(self) -> None:
        self.changes = Changes()
        self.permitted = 0
        """What is left of that which the guest was last told it may write."""

    def ready(self) -> bool:
        """Whether `room` is not 0, or raises."""
        return True

    def room(self) -> int:
        """Bytes that can be written now. Raises: StreamClosed, StreamFailed."""
        raise StreamClosed

    def write(self, contents: bytes) -> None:
        """At most `room` bytes, and at least one. Raises: StreamClosed, StreamFailed."""
        del contents
        raise StreamClosed

    def flush(self) -> None:
        """Begin to hand on all that was written; there is no room until that is done.

        Raises: StreamClosed, StreamFailed.
        """


class SourceStream(InputStream):
    """Bytes of a coroutine function: `pull()` answers the next ones, at most a buffer full, and b"" at the end.

    It is called when the guest wants something and nothing is left of the last answer; never twice at the same time;
    cancelled when the guest drops the stream. It may raise StreamFailed; anything else is a bug, raised to the reader.
    """

    __slots__ = ("_chunk", "_ended", "_failure", "_pull", "_pulling")

    def __init__(self, pull: Callable[[], Awaitable[bytes]]) -> None:
        super().__init__()
        self._pull = pull
        self._chunk = memoryview(b"")
        self._pulling: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._ended = False

    def ready(self) -> bool:
        if self._chunk or self._ended or self._failure is not None:
            return True
        if self._pulling is None:
            self._pulling = asyncio.ensure_future(self._fetch())
        return False

    def read(self, length: int) -> bytes:
        if not self.ready():
            return b""
        if self._chunk:
            taken, self._chunk = self._chunk[:length], self._chunk[length:]
            return taken.tobytes()
        self._ended = True
        failure, self._failure = self._failure, None
        raise failure or StreamClosed

    def close(self) -> None:
        self._ended = True
        if self._pulling is not None:
            self._pulling.cancel()

    async def _fetch(self) -> None:
        try:
            self._chunk = memoryview(await self._pull())
        except Exception as failure:  # noqa: BLE001 - raised again by `read`
            self._failure = failure
        else:
            self._ended = not self._chunk
        finally:
            self._pulling = None
            self.changes.notify()


class BufferedOutputStream(OutputStream):
    """What a guest writes, until the host takes it, in one task: `async for chunk in stream.chunks()`, or `take`.

    A chunk is done with, for `flush`, when the next one is asked for. `fail` tells the guest why it cannot go on.
    """

    __slots__ = ("_buffer", "_capacity", "_failure", "_flushing", "_in_hand", "_wanted", "ended")

    def __init__(self, capacity: int = BUFFER_BYTES_MAX) -> None:
        super().__init__()
        self._capacity = capacity
        self._buffer = bytearray()
        self._in_hand = 0
        """Bytes that the host took and has not done with."""
        self._wanted = Changes()
        self._flushing = False
        self._failure: StreamFailed | StreamClosed | None = None
        self.ended = False
        """The guest dropped the stream: what is in the buffer is the last of it."""

    def ready(self) -> bool:
        return self._failure is not None or (not self._flushing and self._left() > 0)

    def room(self) -> int:
        self._check()
        return 0 if self._flushing else self._left()

    def write(self, contents: bytes) -> None:
        self._check()
        self._buffer += contents
        self._wanted.notify()

    def flush(self) -> None:
        self._check()
        self._flushing = bool(self._buffer or self._in_hand)

    def close(self) -> None:
        self.ended = True
        self._wanted.notify()

    async def chunks(self) -> AsyncIterator[bytes]:
        """All that the guest writes, until it has dropped the stream."""
        while chunk := await self.take():
            yield chunk

    def fail(self, error: IoError) -> None:
        if self._failure is None:
            self._failure = StreamFailed(error)
            self._buffer.clear()
            self.changes.notify()

    async def take(self) -> bytes:
        """The next chunk; none when the guest has dropped the stream."""
        self._in_hand = 0
        self._flushing = self._flushing and bool(self._buffer)
        self.changes.notify()
        while not self._buffer and not self.ended:
            wanted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._wanted.add(wanted)
            await wanted
        chunk = bytes(self._buffer)
        self._buffer.clear()
        self._in_hand = len(chunk)
        return chunk

    def _left(self) -> int:
        return self._capacity - len(self._buffer) - self._in_hand

    def _check(self) -> None:
        """A failure is told once, then the stream is closed. Raises: StreamClosed, StreamFailed."""
        failure = self._failure
        if failure is not None:
            self._failure = StreamClosed()
            raise failure
