"""Bodies: what a guest reads from the host, and what it writes to it, with backpressure both ways."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from obelisk_runtime.wasi.http.error_code import ErrorCase, HttpFailed, failed
from obelisk_runtime.wasi.http.fields import Field, Fields
from obelisk_runtime.wasi.pollables import Changes
from obelisk_runtime.wasi.state import Resource
from obelisk_runtime.wasi.streams import BufferedOutputStream, IoError, SourceStream, StreamFailed


class BodySource(Protocol):
    """Where an incoming body comes from."""

    async def read(self) -> bytes:
        """The next bytes, some 64 KiB at most; b"" at the end. Never two at a time. Raises: HttpFailed."""
        ...

    async def trailers(self) -> Sequence[Field] | None:
        """After the end. Raises: HttpFailed."""
        ...

    def close(self) -> None:
        """Nobody reads on. Idempotent."""
        ...


class EmptySource:
    """A BodySource without bytes."""

    async def read(self) -> bytes:
        return b""

    async def trailers(self) -> None:
        return None

    def close(self) -> None:
        pass


class LimitedSource:
    """A BodySource that fails beyond `bytes_max`, with the case that tells so."""

    def __init__(self, source: BodySource, bytes_max: int, too_large: ErrorCase) -> None:
        self._source, self._bytes_max, self._too_large = source, bytes_max, too_large
        self.received = 0

    async def read(self) -> bytes:
        chunk = await self._source.read()
        self.received += len(chunk)
        if self.received > self._bytes_max:
            raise failed(self._too_large, f"the body is larger than {self._bytes_max} bytes", self._bytes_max)
        return chunk

    async def trailers(self) -> Sequence[Field] | None:
        return await self._source.trailers()

    def close(self) -> None:
        self._source.close()


def io_error(failure: HttpFailed) -> IoError:
    """As a guest meets it in a stream; `http-error-code` finds the code in it."""
    return IoError(str(failure), failure.code)


class IncomingBody(Resource):
    """The guest takes the stream once, reads it, drops it, and asks for the trailers with `finish`."""

    __slots__ = ("_source", "_taken", "ended")

    def __init__(self, source: BodySource) -> None:
        self._source = source
        self._taken = False
        self.ended = False
        """All of it was read."""

    def stream(self) -> SourceStream | None:
        """None the second time."""
        if self._taken:
            return None
        self._taken = True
        return SourceStream(self._pull)

    def finish(self) -> "FutureTrailers":
        """After `state.take`: the body is no resource of the guest any more."""
        return FutureTrailers(self)

    def close(self) -> None:
        self._source.close()

    async def trailers(self) -> Sequence[Field] | None:
        """What is left of the body is read and thrown away. Raises: HttpFailed."""
        while not self.ended:
            self.ended = not await self._source.read()
        return await self._source.trailers()

    async def _pull(self) -> bytes:
        try:
            chunk = await self._source.read()
        except HttpFailed as failure:
            raise StreamFailed(io_error(failure)) from None
        self.ended = not chunk
        return chunk


class FutureTrailers(Resource):
    """A `Subject`: the rest of the body is read only if the guest asks."""

    __slots__ = ("_asked", "_body", "changes", "taken")

    def __init__(self, body: IncomingBody) -> None:
        self._body = body
        self._asked: asyncio.Task[Sequence[Field] | None] | None = None
        self.changes = Changes()
        self.taken = False

    def ready(self) -> bool:
        if self._asked is None:
            self._asked = asyncio.ensure_future(self._body.trailers())
            self._asked.add_done_callback(lambda _: self.changes.notify())
        return self._asked.done()

    def take(self) -> Fields | None:
        """Once, when it is ready. Raises: HttpFailed."""
        assert self._asked is not None
        self.taken = True
        trailers = self._asked.result()
        return None if trailers is None else Fields(trailers, mutable=False)

    def close(self) -> None:
        if self._asked is not None:
            self._asked.cancel()
        self._body.close()


class _BodyStream(BufferedOutputStream):
    """Writes no more than was announced."""

    __slots__ = ("_body",)

    def __init__(self, body: "OutgoingBody") -> None:
        super().__init__()
        self._body = body

    def write(self, contents: bytes) -> None:
        try:
            self._body.count(len(contents))
        except HttpFailed as failure:
            self.fail(io_error(failure))
        super().write(contents)


class OutgoingBody(Resource):
    """The guest takes the stream once, writes it, drops it, and calls `finish`; else the body is incomplete.

    The host takes what comes with `chunks`, in one task, and calls `fail` if it cannot go on.
    """

    __slots__ = ("_finished", "_stream", "_taken", "expected", "too_long", "trailers", "written")

    def __init__(self, expected: int | None, wrong_size: ErrorCase) -> None:
        self.expected = expected
        """The Content-Length that the guest announced."""
        self.too_long = wrong_size
        self.written = 0
        self.trailers: Fields | None = None
        self._taken = False
        self._stream = _BodyStream(self)
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stream(self) -> BufferedOutputStream | None:
        """None the second time."""
        if self._taken:
            return None
        self._taken = True
        return self._stream

    def count(self, more: int) -> None:
        """Raises: HttpFailed."""
        self.written += more
        if self.expected is not None and self.written > self.expected:
            raise self._wrong_size()

    def finish(self, trailers: Fields | None) -> None:
        """After `state.take`. Raises: HttpFailed, if more was announced than written."""
        if self.expected is not None and self.written != self.expected:
            failure = self._wrong_size()
            self._end(failure)
            raise failure
        self.trailers = trailers
        self._end(None)

    def close(self) -> None:
        self._end(failed(ErrorCase.INTERNAL_ERROR, _UNFINISHED, _UNFINISHED))

    async def chunks(self) -> AsyncIterator[bytes]:
        """All that the guest writes. Raises: HttpFailed, if it does not finish the body."""
        async for chunk in self._stream.chunks():
            yield chunk
        await asyncio.shield(self._finished)

    def fail(self, failure: HttpFailed) -> None:
        """Whatever the guest writes now goes nowhere."""
        self._stream.fail(io_error(failure))

    def _wrong_size(self) -> HttpFailed:
        detail = f"Content-Length is {self.expected}, and {self.written} bytes were written"
        return failed(self.too_long, detail, self.written)

    def _end(self, failure: HttpFailed | None) -> None:
        if self._finished.done():
            return
        if failure is None:
            self._finished.set_result(None)
        else:
            self._finished.set_exception(failure)
            self._finished.exception()  # if nobody takes the chunks, nobody is to be told
        self._stream.close()


_UNFINISHED = "the guest dropped the body without finishing it"
