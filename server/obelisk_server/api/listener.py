"""HTTP: what every request goes through before and after its operation."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import cache
from typing import Any, get_origin
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import hdrs, web

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.service import ItemRefused
from obelisk_server.access import LOCAL, Caller, Refusal, TokenRefused
from obelisk_server.access.audit import REQUEST_ID
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
    streams,
    submitting,
    trees,
    versions,
    wire,
)
from obelisk_server.api.operations import JSON, AnyOperation, Call, Context, Reply, Routes, Stream, answer_bytes
from obelisk_server.api.sight import parse_target, require_sight
from obelisk_server.endpoints import ENDPOINTS, Repeat
from obelisk_server.serving import OPERATION, HttpListener, problem_response, read_body
from obelisk_server.serving.headers import SAFE, secure
from obelisk_server.serving.problems import INTERNAL, SERVER

BODY_MARGIN_BYTES = 64 * 1024
"""What a body may have beside the largest payload."""
REQUESTS_MAX = 10_000
"""Requests that are answered at once, waiting ones included."""
BODY_SECONDS_MAX = 60.0
"""How long a client may take to send a body."""
WRITE_SECONDS_MAX = 60.0
"""How long a client of a stream may take to read a part of it."""
CLOSE_SECONDS = 5.0
"""How long a stopping listener lets requests end."""

OPERATIONS: tuple[AnyOperation, ...] = (
    *submitting.OPERATIONS,
    *executions.OPERATIONS,
    *control.OPERATIONS,
    *bulk.OPERATIONS,
    *versions.OPERATIONS,
    *debugging.OPERATIONS,
    *trees.OPERATIONS,
    *catalogue.OPERATIONS,
    *condition.OPERATIONS,
    *streams.OPERATIONS,
    *metrics.OPERATIONS,
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
        context.document = openapi.Document(OPERATIONS, lambda: context.service.functions)
        self._body_bytes_max = payload_bytes_max + BODY_MARGIN_BYTES
        self.requests = 0
        """How many are being answered now."""
        self._http = HttpListener(self.handle, figures=context.http)

    async def start(self, bound: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a bound socket, which is closed by `stop`."""
        await self._http.start(bound, drain_seconds=CLOSE_SECONDS, tls=tls)

    async def stop(self) -> None:
        """Take no more connections, answer requests that wait with what there is, and close."""
        self._context.waits.stop()
        self._context.followers.stop()
        await self._http.stop()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        response = await self._answered(request)
        if not response.prepared:
            secure(response)
        self._audit(request, response)
        return response

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        """The named boundary: any error becomes a problem."""
        self.requests += 1
        try:
            return await self._answer(request)
        except refusals.PathNotFound as error:
            return self._page(request) or _refused(error, request)
        except ObeliskError as error:
            return _refused(error, request)
        except Exception:  # noqa: BLE001 - logged with its traceback, answered without
            _log.exception("a request failed", extra={"method": request.method, "path": request.path})
            return problem_response(INTERNAL, "this is a bug of the server; its log has the traceback", {})
        finally:
            self.requests -= 1

    def _page(self, request: web.BaseRequest) -> web.StreamResponse | None:
        return None if self._pages is None else self._pages(request)

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
        call: Call[Any, Any] = Call(
            named,
            _query(query_text, operation.query),
            await self._body(request, operation) if operation.endpoint.method == "POST" else _NOTHING,
            request.headers,
            caller,
        )
        reply = await operation.handler(self._context, call)
        if isinstance(reply, Stream):
            return await _streamed(request, reply, lambda: self._context.guard.holds(caller))
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
            raise caller.beyond(f"{operation.name} concerns all")
        return caller

    def _audit(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """What may have changed something, and wrong tokens."""
        endpoint = ENDPOINTS.get(request.get(OPERATION, ""))
        problem = request.get(_PROBLEM, "")
        wrong_token = problem == problems.PROBLEMS[TokenRefused].slug and hdrs.AUTHORIZATION in request.headers
        if endpoint is None or (endpoint.repeat is Repeat.READS and not wrong_token):
            return
        audit = self._context.audit
        request_id = audit.request_id(request.headers)
        if not response.prepared:
            response.headers[REQUEST_ID] = request_id
        created = response.headers.get(hdrs.LOCATION, request.raw_path.partition("?")[0])
        outcome = f"{response.status} {problem}".rstrip()
        where = {"address": request.remote or "", "request_id": request_id}
        audit.write(request.get(_CALLER), endpoint.name, created, outcome, **where)

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
_PROBLEM = web.RequestKey("problem", str)


def _whole(reply: Reply) -> web.Response:
    """Of a HEAD request aiohttp sends no body."""
    headers = {**reply.headers, "Content-Type": reply.media_type, "Server": SERVER}
    return web.Response(body=answer_bytes(reply), status=reply.status, headers=headers)


async def _streamed(request: web.BaseRequest, stream: Stream, holds: Callable[[], bool]) -> web.StreamResponse:
    """Until the parts end, the client leaves, or what let it in does not hold any more."""
    headers = {**SAFE, "Content-Type": stream.media_type, "Server": SERVER}
    if request.method == "HEAD":
        return web.Response(headers=headers)
    response = web.StreamResponse(headers=headers)
    async with aclosing(stream.parts) as parts:
        await response.prepare(request)
        try:
            async for part in parts:
                if not holds():
                    break
                async with asyncio.timeout(WRITE_SECONDS_MAX):
                    await response.write(part)
        except (ConnectionError, TimeoutError):
            response.force_close()
        except ObeliskError as error:  # the answer has begun: the client sees its end, and connects again
            _log.warning("a stream ended early", extra={"path": request.path, "reason": str(error)})
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


def _refused(error: ObeliskError, request: web.BaseRequest) -> web.Response:
    inner = error.reason if isinstance(error, ItemRefused) else error
    problem = problems.problem_type(inner)
    if problem is INTERNAL:
        _log.error("a request met an error without a status", exc_info=error, extra={"path": request.path})
    request[_PROBLEM] = problem.slug
    place = {"index": error.index} if isinstance(error, ItemRefused) else {}
    response = problem_response(problem, str(error), {**problem.fields(inner), **place})
    if isinstance(error, refusals.MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    if isinstance(inner, Refusal):
        response.headers.update(inner.headers)
    return response
