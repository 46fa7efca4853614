"""A socket that speaks HTTP.

`aiohttp.web.Server` without application, router and middlewares: 15 % more requests a second than with them.
"""

import asyncio
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable
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
        **more: Any,
    ) -> None:
        """`more`: for each connection."""
        super().__init__(handler, handler_cancellation=cancel_when_left)
        self.connections_max = connections_max
        self._more = more

    def __call__(self) -> RequestHandler:
        return _Connection(self, asyncio.get_running_loop(), **self._more)


class _Connection(RequestHandler):
    """What aiohttp would answer in its own words, this server answers as anything else."""

    def __init__(self, server: _Server, loop: asyncio.AbstractEventLoop, **more: Any) -> None:
        super().__init__(server, loop=loop, **more)
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._server.connections) > self._server.connections_max:
            assert isinstance(transport, asyncio.Transport)
            transport.write(TOO_MANY_CONNECTIONS)
            self.force_close()

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
            access_log=None,
            keepalive_timeout=HEAD_SECONDS_MAX,
            auto_decompress=False,  # a small body may become a very large one, on the loop
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=drain_seconds)
        await self._runner.setup()
        await web.SockSite(self._runner, bound, ssl_context=tls).start()

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
