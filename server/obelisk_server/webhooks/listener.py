"""HTTP: what every request to a webhook goes through."""

import logging
import socket
import ssl

from aiohttp import web

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.serving import OPERATION, HttpFigures, HttpListener, lookup, problem_response
from obelisk_server.serving.problems import INTERNAL
from obelisk_server.webhooks.mounts import Mounts
from obelisk_server.webhooks.refusals import PROBLEMS, WrongMethod

CLOSE_SECONDS = 1.0
"""For the last bytes of answers."""
_log = logging.getLogger(__name__)


class WebhookListener:
    """Serves webhooks on a socket. A handler whose client went away is cancelled."""

    def __init__(self, mounts: Mounts, figures: HttpFigures | None = None) -> None:
        self._mounts = mounts
        self._http = HttpListener(self.handle, cancel_when_left=True, as_sent=True, figures=figures)

    async def start(self, bound: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve on a bound socket, which is closed by `stop`."""
        await self._http.start(bound, drain_seconds=CLOSE_SECONDS, tls=tls)

    async def stop(self, seconds: float) -> None:
        """Refuse new requests, answer those that wait for a result, let the others end for so long."""
        await self._mounts.drain(seconds)
        await self._http.stop()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The named boundary: any error becomes a problem."""
        request[OPERATION] = "webhook"
        try:
            return await self._mounts.answer(request)
        except ObeliskError as error:
            return _refused(error, request)
        except Exception:  # noqa: BLE001 - logged with its traceback, answered without
            _log.exception("a webhook failed", extra={"method": request.method, "path": request.path})
            return problem_response(INTERNAL, "this is a bug of the server; its log has the traceback", {})


def _refused(error: ObeliskError, request: web.BaseRequest) -> web.Response:
    problem = lookup(PROBLEMS, error)
    if problem is INTERNAL:
        _log.error("a webhook met an error without a status", exc_info=error, extra={"path": request.path})
    response = problem_response(problem, str(error), problem.fields(error))
    if isinstance(error, WrongMethod):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response
