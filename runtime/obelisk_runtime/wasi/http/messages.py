"""Requests and responses as a guest holds them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass

from obelisk_runtime.wasi.http.bodies import BodySource, IncomingBody, OutgoingBody
from obelisk_runtime.wasi.http.error_code import ErrorCase, HttpFailed, failed
from obelisk_runtime.wasi.http.fields import Field, Fields
from obelisk_runtime.wasi.pollables import Changes
from obelisk_runtime.wasi.state import Resource


class FieldsResource(Resource):
    """A guest's handle of fields."""

    __slots__ = ("fields",)

    def __init__(self, fields: Fields) -> None:
        self.fields = fields


class RequestOptions(Resource):
    """Durations in nanoseconds; None is the host's choice."""

    __slots__ = ("between_bytes", "connect", "first_byte")

    def __init__(self) -> None:
        self.connect: int | None = None
        self.first_byte: int | None = None
        self.between_bytes: int | None = None


class _Outgoing(Resource):
    """Headers that cannot change any more, and a body that is taken once."""

    __slots__ = ("_wrong_size", "content", "headers")

    def __init__(self, headers: Fields, wrong_size: ErrorCase) -> None:
        self.headers = headers.frozen()
        self.content: OutgoingBody | None = None
        """None: it has none."""
        self._wrong_size = wrong_size

    def body(self) -> OutgoingBody | None:
        """None the second time, and if no Content-Length can be read from the headers."""
        try:
            length = content_length(self.headers)
        except HttpFailed:
            return None
        if self.content is not None:
            return None
        self.content = OutgoingBody(length, self._wrong_size)
        return self.content


class OutgoingRequest(_Outgoing):
    __slots__ = ("authority", "method", "path", "scheme")

    def __init__(self, headers: Fields) -> None:
        super().__init__(headers, ErrorCase.REQUEST_BODY_SIZE)
        self.method = "GET"
        self.scheme: str | None = None
        self.authority: str | None = None
        self.path: str | None = None
        """With the query."""


class OutgoingResponse(_Outgoing):
    __slots__ = ("status",)

    def __init__(self, headers: Fields) -> None:
        super().__init__(headers, ErrorCase.RESPONSE_BODY_SIZE)
        self.status = 200


def content_length(headers: Fields) -> int | None:
    """Raises: HttpFailed."""
    values = set(headers.get("content-length"))
    if not values:
        return None
    value = values.pop()
    if values or not value.isdigit() or len(value) > 19:
        raise failed(ErrorCase.PROTOCOL_ERROR, "Content-Length is not one number")
    return int(value)


class _Incoming(Resource):
    """Headers, and a body that is taken once."""

    __slots__ = ("_source", "headers")

    def __init__(self, headers: Sequence[Field], source: BodySource) -> None:
        self.headers = Fields(headers, mutable=False)
        self._source: BodySource | None = source

    def consume(self) -> IncomingBody | None:
        """None the second time."""
        source, self._source = self._source, None
        return None if source is None else IncomingBody(source)

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What comes before the body of an incoming request. Header names and values are right (`is_name`, `is_value`)."""

    method: str
    path: str
    """With the query, as it was sent."""
    headers: Sequence[Field]
    scheme: str = "http"
    authority: str | None = None


class IncomingRequest(_Incoming):
    __slots__ = ("head",)

    def __init__(self, head: RequestHead, source: BodySource) -> None:
        super().__init__(head.headers, source)
        self.head = head


class IncomingResponse(_Incoming):
    __slots__ = ("status",)

    def __init__(self, status: int, headers: Sequence[Field], source: BodySource) -> None:
        super().__init__(headers, source)
        self.status = status


class FutureIncomingResponse(Resource):
    """A `Subject`. Dropped before it was taken, the request is cancelled."""

    __slots__ = ("_task", "changes", "taken")

    def __init__(self, sending: Awaitable[IncomingResponse]) -> None:
        self.changes = Changes()
        self.taken = False
        self._task = asyncio.ensure_future(sending)
        self._task.add_done_callback(lambda _: self.changes.notify())

    def ready(self) -> bool:
        return self._task.done()

    def take(self) -> IncomingResponse:
        """Once, when it is ready. Raises: HttpFailed."""
        self.taken = True
        return self._task.result()

    def close(self) -> None:
        if not self.taken:
            self._task.cancel()
            self._task.add_done_callback(_close_response)


def _close_response(task: "asyncio.Future[IncomingResponse]") -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the guest answers to an incoming request."""

    status: int
    headers: Sequence[Field]
    body: OutgoingBody | None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as the guest writes it. Raises: HttpFailed, if it does not finish it."""
        if self.body is not None:
            async for chunk in self.body.chunks():
                yield chunk

    @property
    def trailers(self) -> Sequence[Field]:
        """After the last chunk."""
        trailers = None if self.body is None else self.body.trailers
        return () if trailers is None else trailers.entries()


class ResponseOutparam(Resource):
    """Takes the guest's answer, once."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        """Fails with HttpFailed, if the guest says so or answers nothing."""

    def set(self, response: OutgoingResponse) -> None:
        if not self.answer.done():
            self.answer.set_result(Answer(response.status, response.headers.entries(), response.content))

    def fail(self, failure: HttpFailed) -> None:
        if not self.answer.done():
            self.answer.set_exception(failure)
            self.answer.exception()  # whoever waits for it is told, nobody else

    def close(self) -> None:
        """The guest dropped it, or ended, and has answered nothing."""
        self.fail(failed(ErrorCase.INTERNAL_ERROR, _NO_ANSWER, _NO_ANSWER))


_NO_ANSWER = "the guest did not answer"
