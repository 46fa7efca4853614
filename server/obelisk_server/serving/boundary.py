"""What every request goes through, whatever listens: any error becomes a problem, and no exception gets out."""

import logging
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.serving.headers import secure
from obelisk_server.serving.problems import INTERNAL, Problem, problem_response

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("request_id", str)
"""The client's own, if it is one that can be written down; else a new one. Answers and lines of logs have it."""
_GIVEN_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_log = logging.getLogger(__name__)


class Site(Protocol):
    """What a listener serves."""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Raises: ObeliskError."""
        ...

    def problem_of(self, error: ObeliskError) -> Problem: ...

    def answered(
        self, request: web.BaseRequest, response: web.StreamResponse | None, error: ObeliskError | None
    ) -> None:
        """After each request. No response: it was ended without one; an error: the response is its problem."""
        ...


def new_request_id() -> str:
    return secrets.token_hex(8)


class Boundary:
    def __init__(self, site: Site, new_id: Callable[[], str] = new_request_id) -> None:
        self._site = site
        self._new_id = new_id

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Raises nothing but what ends the task."""
        request[REQUEST_ID] = self._request_id(request.headers)
        response, refused = None, None
        try:
            try:
                response = await self._site.answer(request)
            except ObeliskError as error:
                refused = error
                response = self._refusal(request, error)
            except Exception:  # noqa: BLE001 - logged with its traceback, answered without
                _log.exception("a request failed", extra=_place(request))
                response = problem_response(Problem(INTERNAL, "this is a bug of the server; its log has the traceback"))
            if not response.prepared:
                secure(response)
                response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
            return response
        finally:
            self._site.answered(request, response, refused)

    def _request_id(self, headers: Mapping[str, str]) -> str:
        given = headers.get(REQUEST_ID_HEADER, "")
        return given if _GIVEN_ID.fullmatch(given) else self._new_id()

    def _refusal(self, request: web.BaseRequest, error: ObeliskError) -> web.Response:
        problem = self._site.problem_of(error)
        if problem.type is INTERNAL:
            _log.error("a request met an error without a status", exc_info=error, extra=_place(request))
        return problem_response(problem)


def _place(request: web.BaseRequest) -> dict[str, str]:
    """Of a request, for a line of the log. Not its query, which may hold what is secret."""
    path = request.raw_path.partition("?")[0]
    return {"method": request.method, "path": path, "request_id": request[REQUEST_ID]}
