"""HTTP: what every request to a webhook goes through."""

import socket
import ssl

from aiohttp import web

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.serving import OPERATION, HttpFigures, HttpListener, Problem, problem_of
from obelisk_server.webhooks.mounts import Mounts
from obelisk_server.webhooks.refusals import PROBLEMS

CLOSE_SECONDS = 1.0
"""For the last bytes of answers."""


class WebhookListener:
    """Serves webhooks on a socket. A handler whose client went away is cancelled."""

    def __init__(self, mounts: Mounts, figures: HttpFigures | None = None) -> None:
        self._mounts = mounts
        self._http = HttpListener(self, cancel_when_left=True, figures=figures)

    async def start(self, bound: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a bound socket, which is closed by `stop`."""
        await self._http.start(bound, drain_seconds=CLOSE_SECONDS, tls=tls)

    async def stop(self, seconds: float) -> None:
        """Refuse new requests, answer those that wait for a result, let the others end for so long."""
        await self._mounts.drain(seconds)
        await self._http.stop()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        request[OPERATION] = "webhook"
        return await self._mounts.answer(request)

    def problem_of(self, error: ObeliskError) -> Problem:
        return problem_of(PROBLEMS, error)

    def answered(
        self, request: web.BaseRequest, response: web.StreamResponse | None, error: ObeliskError | None
    ) -> None:
        """Nothing is written down: executions have a tag that says whence they are."""
