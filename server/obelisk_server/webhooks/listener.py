"""HTTP: what every request to a webhook goes through."""

import socket
import ssl

from aiohttp import web

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.access import NOBODY, Audit, Deed
from obelisk_server.serving import OPERATION, REQUEST_ID, HttpFigures, HttpListener, Problem, problem_of
from obelisk_server.webhooks.mounts import Mounts
from obelisk_server.webhooks.refusals import PROBLEMS, ForeignOrigin, SignatureRefused

CLOSE_SECONDS = 1.0
"""For the last bytes of answers."""
_OPERATION = "webhook"


class WebhookListener:
    """Serves webhooks on a socket. A handler whose client went away is cancelled."""

    def __init__(self, mounts: Mounts, audit: Audit | None = None, figures: HttpFigures | None = None) -> None:
        self._mounts = mounts
        self._audit = audit or Audit()
        self._http = HttpListener(self, cancel_when_left=True, figures=figures)

    async def start(self, bound: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a bound socket, which is closed by `stop`."""
        await self._http.start(bound, drain_seconds=CLOSE_SECONDS, tls=tls)

    async def stop(self, seconds: float) -> None:
        """Refuse new requests, answer those that wait for a result, let the others end for so long."""
        await self._mounts.drain(seconds)
        await self._http.stop()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        request[OPERATION] = _OPERATION
        return await self._mounts.answer(request)

    def problem_of(self, error: ObeliskError) -> Problem:
        return problem_of(PROBLEMS, error)

    def answered(
        self, request: web.BaseRequest, response: web.StreamResponse | None, error: ObeliskError | None
    ) -> None:
        """Write down who was turned away. Executions have a tag that says which webhook began them."""
        if response is None or not isinstance(error, SignatureRefused | ForeignOrigin):
            return
        deed = Deed(
            who=NOBODY,
            operation=_OPERATION,
            outcome=f"{response.status} {self.problem_of(error).type.slug}",
            target=request.raw_path.partition("?")[0],
            address=request.remote or NOBODY,
            request_id=request[REQUEST_ID],
        )
        self._audit.write(deed)
