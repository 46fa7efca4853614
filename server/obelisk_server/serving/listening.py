"""A socket that speaks HTTP.

`aiohttp.web.Server` without application, router and middlewares: 15 % more requests a second than with them.
"""

import asyncio
import resource
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from obelisk_server.serving.boundary import Boundary, Site
from obelisk_server.serving.figures import HttpFigures
from obelisk_server.serving.headers import secure
from obelisk_server.serving.problems import NO_HTTP, TOO_MANY_CONNECTIONS, Problem, problem_response

GONE = 499
"""Counted, never sent: the client went away before it was answered."""
HEAD_SECONDS_MAX = 30.0
"""How long a connection may take for the head of a request, the pause before it included; then it is closed."""
CONNECTIONS_MAX = 10_000
"""Of one listener; beyond it new ones are answered with a 503 and closed."""
HANDSHAKE_SECONDS_MAX = 10.0
"""How long a client may take to agree on TLS."""
DESCRIPTORS_SHARE = 4
"""At most one in so many of the descriptors that the process may have: the store needs some, and guests."""


def connections_max() -> int:
    return min(CONNECTIONS_MAX, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // DESCRIPTORS_SHARE)


class _Server(web.Server):
    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        connections_max: int,
        cancel_when_left: bool,
        tls: ssl.SSLContext | None,
        **more: Any,
    ) -> None:
        """`more`: for each connection."""
        super().__init__(handler, handler_cancellation=cancel_when_left)
        self._connections_max = connections_max
        self._tls = tls
        self._more = more
        self.handshakes: set[asyncio.Task[None]] = set()

    def __call__(self) -> asyncio.Protocol:  # type: ignore[override] - of a socket, not of a request
        return self.connection() if self._tls is None else _Handshake(self, self._tls)

    def connection(self) -> "_Connection":
        return _Connection(self, asyncio.get_running_loop(), **self._more)

    @property
    def full(self) -> bool:
        """Whether there are more than there may be, with those that do not speak TLS yet."""
        return len(self.connections) + len(self.handshakes) > self._connections_max

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aiohttp calls it so
        for task in tuple(self.handshakes):
            task.cancel()
        await super().shutdown(timeout)


class _Handshake(asyncio.Protocol):
    """A connection until it speaks TLS: counted from when it was accepted, as it takes a descriptor from then on.

    asyncio's own listener tells of a connection after its handshake.
    """

    def __init__(self, server: _Server, tls: ssl.SSLContext) -> None:
        self._server = server
        self._tls = tls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._task = asyncio.get_running_loop().create_task(self._shake(transport))
        self._server.handshakes.add(self._task)
        self._task.add_done_callback(self._server.handshakes.discard)
        if self._server.full:
            self._task.cancel()
            transport.abort()

    async def _shake(self, transport: asyncio.Transport) -> None:
        connection, secured = self._server.connection(), None
        with suppress(OSError):  # it was no TLS, took too long, or went away
            secured = await asyncio.get_running_loop().start_tls(
                transport, connection, self._tls, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS_MAX
            )
        if secured is not None:
            self._server.handshakes.discard(self._task)  # counted as a connection from here on
            connection.connection_made(secured)


class _Connection(RequestHandler):
    """What aiohttp would answer in its own words, this server answers as anything else."""

    def __init__(self, server: _Server, loop: asyncio.AbstractEventLoop, **more: Any) -> None:
        super().__init__(server, loop=loop, **more)
        self._server = server
        self.when_lost: Callable[[], None] = lambda: None
        """Told that the client has gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._server.full:
            assert isinstance(transport, asyncio.Transport)
            transport.write(TOO_MANY_CONNECTIONS)
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.when_lost()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Of what is no HTTP. It is no line of the log, as anybody can send it, and is not repeated."""
        if status != NO_HTTP.status:
            return super().handle_error(request, status, exc, message)
        response = problem_response(Problem(NO_HTTP, "this is no HTTP/1.1, or a part of it is larger than allowed"))
        secure(response)
        response.force_close()
        return response


@asynccontextmanager
async def while_there(request: web.BaseRequest) -> AsyncGenerator[None]:
    """Ends what is done inside as soon as the client has gone. Raises: ConnectionError then."""
    connection = request.protocol
    assert isinstance(connection, _Connection)
    scope = asyncio.timeout(None)
    try:
        async with scope:
            if request.transport is None:
                raise ConnectionResetError("the client has gone")
            connection.when_lost = lambda: scope.reschedule(asyncio.get_running_loop().time())
            try:
                yield
            finally:
                connection.when_lost = lambda: None
    except TimeoutError:
        if not scope.expired():
            raise
        raise ConnectionResetError("the client has gone") from None


class HttpListener:
    """Lets a site answer the requests of one socket."""

    def __init__(
        self,
        site: Site,
        *,
        cancel_when_left: bool = False,
        figures: HttpFigures | None = None,
    ) -> None:
        """`cancel_when_left`: an answer whose client went away is cancelled."""
        self._handle = Boundary(site).handle
        self._figures = HttpFigures() if figures is None else figures
        self._cancel_when_left = cancel_when_left
        self._runner: web.ServerRunner | None = None

    async def start(self, bound: socket.socket, *, drain_seconds: float, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a bound socket, which is closed by `stop`. `drain_seconds`: how long `stop` lets requests end."""
        server = _Server(
            self._measured,
            connections_max=connections_max(),
            cancel_when_left=self._cancel_when_left,
            tls=tls,
            access_log=None,
            keepalive_timeout=HEAD_SECONDS_MAX,
            auto_decompress=False,  # a small body may become a very large one, on the loop
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=drain_seconds)
        await self._runner.setup()
        await web.SockSite(self._runner, bound).start()

    async def _measured(self, request: web.BaseRequest) -> web.StreamResponse:
        begun = perf_counter()
        status = GONE
        try:
            response = await self._handle(request)
            status = response.status
        finally:
            self._figures.answered(request, status, perf_counter() - begun)
        return response

    async def stop(self) -> None:
        """Take no more connections, let requests end, cancel those that do not, and close."""
        if self._runner is not None:
            await self._runner.cleanup()
