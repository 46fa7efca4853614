"""A socket that speaks HTTP.

`aiohttp.web.Server` without application, router and middlewares: 15 % more requests a second than with them.
"""

import asyncio
import logging
import socket
import ssl
from time import perf_counter

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from obelisk_server.serving.boundary import Boundary, Site
from obelisk_server.serving.figures import HttpFigures

GONE = 499
"""Counted, never sent: the client went away before it was answered."""
HEAD_SECONDS_MAX = 30.0
"""How long a new connection may take for the head of its first request; later ones are closed when they idle."""
_http_log = logging.getLogger(__name__)


class _Server(web.Server):
    """Connections that send no request in time are closed: they would be kept for ever."""

    def __call__(self) -> RequestHandler:
        connection = super().__call__()
        asyncio.get_running_loop().call_later(HEAD_SECONDS_MAX, _close_unused, connection)
        return connection


def _close_unused(connection: RequestHandler) -> None:
    """aiohttp counts requests, and tells nobody."""
    if not connection._request_count:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        connection.force_close()


class HttpListener:
    """Lets a site answer the requests of one socket."""

    def __init__(
        self,
        site: Site,
        *,
        cancel_when_left: bool = False,
        as_sent: bool = False,
        figures: HttpFigures | None = None,
    ) -> None:
        """`cancel_when_left`: an answer whose client went away is cancelled. `as_sent`: bodies stay compressed."""
        self._as_sent = as_sent
        self._handle = Boundary(site).handle
        self._figures = HttpFigures() if figures is None else figures
        self._cancel_when_left = cancel_when_left
        self._runner: web.ServerRunner | None = None

    async def start(self, bound: socket.socket, *, drain_seconds: float, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a bound socket, which is closed by `stop`. `drain_seconds`: how long `stop` lets requests end."""
        _http_log.addFilter(_own_faults)
        server = _Server(
            self._measured,
            access_log=None,
            logger=_http_log,
            handler_cancellation=self._cancel_when_left,
            auto_decompress=not self._as_sent,
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


def _own_faults(record: logging.LogRecord) -> bool:
    """Whether a record of aiohttp is worth a line: it logs requests that are no HTTP as if they were its own errors."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
