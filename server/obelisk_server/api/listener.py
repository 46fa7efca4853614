"""HTTP: what every request goes through before and after its operation."""

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import aclosing
from functools import cache
from typing import Any, get_origin
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import web

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.service import ItemRefused
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
from obelisk_server.serving import OPERATION, HttpListener, problem_response, read_body
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

_LOOPBACK_HOST = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?")
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

    async def start(self, bound: socket.socket) -> None:
        """Serve on a bound socket, which is closed by `stop`."""
        await self._http.start(bound, drain_seconds=CLOSE_SECONDS)

    async def stop(self) -> None:
        """Take no more connections, answer requests that wait with what there is, and close."""
        self._context.waits.stop()
        self._context.followers.stop()
        await self._http.stop()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
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
        _refuse_foreign(request.headers)
        path, _, query_text = request.raw_path.partition("?")
        operation, segments = self._find(request.method, path)
        request[OPERATION] = operation.name
        call: Call[Any, Any] = Call(
            {name: unquote(segment) for name, segment in segments.items()},
            _query(query_text, operation.query),
            await self._body(request, operation) if operation.endpoint.method == "POST" else _NOTHING,
            request.headers,
        )
        reply = await operation.handler(self._context, call)
        return await _streamed(request, reply) if isinstance(reply, Stream) else _whole(reply)

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


def _whole(reply: Reply) -> web.Response:
    """Of a HEAD request aiohttp sends no body."""
    headers = {**reply.headers, "Content-Type": reply.media_type, "Server": SERVER}
    return web.Response(body=answer_bytes(reply), status=reply.status, headers=headers)


async def _streamed(request: web.BaseRequest, stream: Stream) -> web.StreamResponse:
    """Until the parts end or the client leaves."""
    headers = {"Content-Type": stream.media_type, "Cache-Control": "no-store", "Server": SERVER}
    if request.method == "HEAD":
        return web.Response(headers=headers)
    response = web.StreamResponse(headers=headers)
    async with aclosing(stream.parts) as parts:
        await response.prepare(request)
        try:
            async for part in parts:
                async with asyncio.timeout(WRITE_SECONDS_MAX):
                    await response.write(part)
        except (ConnectionError, TimeoutError):
            response.force_close()
        except ObeliskError as error:  # the answer has begun: the client sees its end, and connects again
            _log.warning("a stream ended early", extra={"path": request.path, "reason": str(error)})
    return response


def _refuse_foreign(headers: Mapping[str, str]) -> None:
    """A page elsewhere can make a browser send requests here: under a foreign name, or with its own origin.

    The listener is a loopback one (`config.Listen`), so Host is a loopback name.
    """
    host = headers.get("Host", "")
    if _LOOPBACK_HOST.fullmatch(host) is None:
        raise refusals.ForeignRequest(f"the Host is {host!r}; expected localhost or a loopback address")
    origin = headers.get("Origin")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        raise refusals.ForeignRequest(f"the Origin is {origin!r}, which is not this server")


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
    place = {"index": error.index} if isinstance(error, ItemRefused) else {}
    response = problem_response(problem, str(error), {**problem.fields(inner), **place})
    if isinstance(error, refusals.MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response
