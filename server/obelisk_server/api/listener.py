"""HTTP: what every request goes through before and after its operation."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from functools import cache
from typing import Any, get_origin
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import hdrs, web

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.access import LOCAL, NOBODY, Caller, Deed, Refusal, TokenRefused
from obelisk_server.api import (
    bulk,
    catalogue,
    condition,
    control,
    debugging,
    executions,
    metrics,
    openapi,
    problems,
    refusals,
    replays,
    rights,
    streams,
    submitting,
    trees,
    versions,
    wire,
)
from obelisk_server.api.operations import JSON, AnyOperation, Call, Context, Reply, Routes, Stream, answer_bytes
from obelisk_server.api.sight import parse_target, require_sight
from obelisk_server.endpoints import ENDPOINTS, Repeat, Scope
from obelisk_server.serving import (
    OPERATION,
    REQUEST_ID,
    HttpListener,
    Problem,
    leave,
    read_body,
    read_in_time,
    while_there,
)
from obelisk_server.serving.headers import SAFE
from obelisk_server.serving.problems import SERVER

BODY_MARGIN_BYTES = 64 * 1024
"""What a body may have beside the largest payload."""
REQUESTS_MAX = 10_000
"""Requests that are answered at once, waiting ones included."""
BODY_SECONDS_MAX = 60.0
"""How long a client may take to send a body."""
CLOSE_SECONDS = 5.0
"""How long a stopping listener lets requests end."""

OPERATIONS: tuple[AnyOperation, ...] = (
    *submitting.OPERATIONS,
    *executions.OPERATIONS,
    *control.OPERATIONS,
    *bulk.OPERATIONS,
    *replays.OPERATIONS,
    *versions.OPERATIONS,
    *debugging.OPERATIONS,
    *trees.OPERATIONS,
    *catalogue.OPERATIONS,
    *condition.OPERATIONS,
    *streams.OPERATIONS,
    *metrics.OPERATIONS,
    *rights.OPERATIONS,
    *openapi.OPERATIONS,
)

Pages = Callable[[web.BaseRequest], web.StreamResponse | None]
"""Answers what is not the API; None: there is nothing either."""

_log = logging.getLogger(__name__)


class Listener:
    """Serves the API on a socket."""

    def __init__(self, context: Context, *, payload_bytes_max: int, pages: Pages | None = None) -> None:
        self._context = context
        self._pages = pages
        self._routes = Routes(OPERATIONS)
        self._decoders = {item.body: msgspec.json.Decoder(item.body) for item in OPERATIONS}
        context.operations = OPERATIONS
        context.document = openapi.Document(OPERATIONS, lambda: context.service.functions)
        self._body_bytes_max = payload_bytes_max + BODY_MARGIN_BYTES
        self.requests = 0
        """How many are being answered now."""
        self._http = HttpListener(self, figures=context.http)

    async def start(self, bound: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a bound socket, which is closed by `stop`."""
        await self._http.start(bound, drain_seconds=CLOSE_SECONDS, tls=tls)

    async def stop(self) -> None:
        """Take no more connections, answer requests that wait with what there is, and close."""
        self._context.waits.stop()
        self._context.followers.stop()
        await self._http.stop()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        try:
            return await self._answer(request)
        except refusals.PathNotFound:
            page = None if self._pages is None else self._pages(request)
            if page is None:
                raise
            return page
        finally:
            self.requests -= 1

    def problem_of(self, error: ObeliskError) -> Problem:
        return problems.as_problem(error)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.requests > REQUESTS_MAX:
            raise refusals.TooManyRequests(REQUESTS_MAX)
        path, _, query_text = request.raw_path.partition("?")
        if path not in _OPEN:
            self._context.guard.refuse_foreign(request.headers)
        operation, segments = self._find(request.method, path)
        request[OPERATION] = operation.name
        named = {name: unquote(segment) for name, segment in segments.items()}
        caller = await self._admitted(request, operation, named)
        query = _query(query_text, operation.query)
        body = await self._body(request, operation) if operation.endpoint.method == "POST" else _NOTHING
        request[_ASKED] = body.noted()
        reply = await operation.handler(self._context, Call(named, query, body, request.headers, caller))
        if isinstance(reply, Stream):
            return await _streamed(request, reply, lambda: self._context.guard.holds(caller))
        request[_EXECUTIONS] = reply.executions
        return _whole(reply)

    async def _admitted(self, request: web.BaseRequest, operation: AnyOperation, named: Mapping[str, str]) -> Caller:
        """Raises: Refusal; ExecutionNotFound for what the caller may not see, InvalidName, StoreUnavailable."""
        scope = operation.endpoint.scope
        if scope is None:
            return LOCAL
        caller = self._context.guard.admit(request.headers, request.remote or "")
        request[_CALLER] = caller
        caller.require(scope)
        if caller.limited and "id" in named:
            await require_sight(self._context, caller, parse_target(named["id"]))
        elif caller.limited and not operation.minds_functions:
            raise caller.beyond(f"{operation.name} is about the whole server")
        return caller

    def answered(
        self, request: web.BaseRequest, response: web.StreamResponse | None, error: ObeliskError | None
    ) -> None:
        """Write down what may have changed something, and who was not let in."""
        endpoint = ENDPOINTS.get(request.get(OPERATION, ""))
        alters = endpoint is not None and (endpoint.repeat is not Repeat.READS or endpoint.scope is Scope.ADMIN)
        if not alters and not _turned_away(request, error):
            return
        status = _UNANSWERED if response is None else str(response.status)
        caller = request.get(_CALLER)
        deed = Deed(
            who=NOBODY if caller is None else caller.name,
            address=request.remote or NOBODY,
            operation=NOBODY if endpoint is None else endpoint.name,
            target=request.raw_path.partition("?")[0],
            outcome=status if error is None else f"{status} {self.problem_of(error).type.slug}",
            request_id=request[REQUEST_ID],
            asked=request.get(_ASKED, {}),
            executions=request.get(_EXECUTIONS, ()),
        )
        self._context.audit.write(deed)

    def _find(self, method: str, path: str) -> tuple[AnyOperation, Mapping[str, str]]:
        """Raises: PathNotFound, MethodNotAllowed."""
        found = self._routes.find(path)
        if found is None:
            raise refusals.PathNotFound(path)
        methods, segments = found
        operation = methods.get("GET" if method == "HEAD" else method)
        if operation is None:
            raise refusals.MethodNotAllowed(method, sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
        return operation, segments

    async def _body(self, request: web.BaseRequest, operation: AnyOperation) -> Any:
        if request.content_type != JSON:
            raise refusals.UnsupportedMediaType(request.headers.get("Content-Type", ""))
        if hdrs.CONTENT_ENCODING in request.headers:
            raise refusals.CompressedBody(request.headers[hdrs.CONTENT_ENCODING])
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                raw = await read_body(request, operation.body_bytes_max or self._body_bytes_max)
        except TimeoutError:
            raise refusals.TooSlow(BODY_SECONDS_MAX) from None
        if not raw and issubclass(operation.body, wire.Nothing):
            return operation.body()
        try:
            return self._decoders[operation.body].decode(raw)
        except msgspec.ValidationError as error:
            raise refusals.InvalidRequest(f"the body is not as expected: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise refusals.MalformedBody(f"the body is not valid JSON: {error}") from None
        except RecursionError:
            raise refusals.MalformedBody("the body is nested too deep") from None


_NOTHING = wire.Nothing()
_OPEN = frozenset(item.endpoint.path for item in OPERATIONS if item.endpoint.scope is None)
"""Paths that anybody may ask for: a probe knows an address, not the name."""
_CALLER = web.RequestKey("caller", Caller)
_ASKED = web.RequestKey("asked", Mapping[str, Any])
_EXECUTIONS = web.RequestKey("executions", Sequence[str])
_UNANSWERED = "unanswered"
"""The outcome of a request that was ended while it was handled: it may have happened."""


def _turned_away(request: web.BaseRequest, error: ObeliskError | None) -> bool:
    """Not those that show no token at all: a browser does, before it asks its user for one."""
    return isinstance(error, Refusal) and not (
        isinstance(error, TokenRefused) and hdrs.AUTHORIZATION not in request.headers
    )


def _whole(reply: Reply) -> web.Response:
    """Of a HEAD request aiohttp sends no body."""
    headers = {**reply.headers, "Content-Type": reply.media_type, "Server": SERVER}
    return web.Response(body=answer_bytes(reply), status=reply.status, headers=headers)


async def _streamed(request: web.BaseRequest, stream: Stream, holds: Callable[[], bool]) -> web.StreamResponse:
    """Until the parts end, the client leaves, or what let it in does not hold any more. Raises: ObeliskError."""
    headers = {**SAFE, "Content-Type": stream.media_type, "Server": SERVER}
    if request.method == "HEAD":
        return web.Response(headers=headers)
    response = web.StreamResponse(headers=headers)
    async with aclosing(stream.parts) as parts:
        first = await anext(parts)  # what is refused is refused before the answer begins
        try:
            async with while_there(request):
                await response.prepare(request)
                async with read_in_time():
                    await response.write(first)
                async for part in parts:
                    if not holds():
                        break
                    async with read_in_time():
                        await response.write(part)
        except ConnectionError:
            leave(request)
        except ObeliskError as error:  # the client sees its end, and connects again
            _log.warning("a stream ended early", extra={"path": request.path, "reason": str(error)})
        except Exception:  # noqa: BLE001 - a second answer must not follow the one that has begun
            _log.exception("a stream failed", extra={"path": request.path})
            leave(request)
    return response


def _query(text: str, expected: type[wire.Request]) -> Any:
    """Raises: InvalidRequest."""
    lists = _lists(expected)
    given: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in lists:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise refusals.InvalidRequest(f"the query gives {name!r} twice")
        else:
            given[name] = value
    try:
        return msgspec.convert(given, expected, strict=False)
    except msgspec.ValidationError as error:
        raise refusals.InvalidRequest(f"the query is not as expected: {error}") from None


@cache
def _lists(expected: type[wire.Request]) -> frozenset[str]:
    """Fields of a query that may be given more than once."""
    return frozenset(item.name for item in msgspec.structs.fields(expected) if get_origin(item.type) is list)
