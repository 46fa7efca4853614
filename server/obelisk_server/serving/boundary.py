"""What every request goes through, whatever listens: any error becomes a problem, and no exception gets out."""

import asyncio
import logging
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.serving.headers import secure
from obelisk_server.serving.problems import INTERNAL, Problem, problem_response

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("request_id", str)
"""The client's own, if it is one that can be written down; else a new one. Answers and lines of logs have it."""
WRITE_SECONDS_MAX = 60.0
"""How long a client may take to read a part of an answer, or of a stream."""
PART_BYTES_MAX = 256 * 1024
"""Of an answer: a large one takes as long as it takes, as long as the client reads."""
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
        """Answer it. Raises nothing but what ends the task."""
        request[REQUEST_ID] = self._request_id(request.headers)
        try:
            response, refused = await self._answer(request)
        except asyncio.CancelledError:
            self._site.answered(request, None, None)
            raise
        self._site.answered(request, response, refused)
        if not response.prepared:
            secure(response)
            response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
        await _send(request, response)
        return response

    async def _answer(self, request: web.BaseRequest) -> tuple[web.StreamResponse, ObeliskError | None]:
        """And the error, if the answer is its problem."""
        try:
            return await self._site.answer(request), None
        except ObeliskError as error:
            return self._refusal(request, error), error
        except Exception:  # noqa: BLE001 - logged with its traceback, answered without
            _log.exception("a request failed", extra=_place(request))
            problem = Problem(INTERNAL, "this is a bug of the server; its log has the traceback")
            return problem_response(problem), None

    def _request_id(self, headers: Mapping[str, str]) -> str:
        given = headers.get(REQUEST_ID_HEADER, "")
        return given if _GIVEN_ID.fullmatch(given) else self._new_id()

    def _refusal(self, request: web.BaseRequest, error: ObeliskError) -> web.Response:
        problem = self._site.problem_of(error)
        if problem.type is INTERNAL:
            _log.error("a request met an error without a status", exc_info=error, extra=_place(request))
        return problem_response(problem)


class SlowReader(ConnectionError):
    """As good as gone: the client does not take what it asked for."""


@asynccontextmanager
async def read_in_time() -> AsyncGenerator[None]:
    """Raises: SlowReader."""
    try:
        async with asyncio.timeout(WRITE_SECONDS_MAX):
            yield
    except TimeoutError:
        raise SlowReader(f"the client has read nothing for {WRITE_SECONDS_MAX:.0f} s") from None


def leave(request: web.BaseRequest) -> None:
    """Close the connection at once: the client is gone, does not read, or is to see that this is not all."""
    if request.transport is not None:
        request.transport.abort()


async def _send(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """All of it; aiohttp, which would wait for the client without end, finds it sent."""
    body = response.body if isinstance(response, web.Response) and request.method != "HEAD" else None
    try:
        async with read_in_time():
            await response.prepare(request)
            if not isinstance(body, bytes) or len(body) <= PART_BYTES_MAX:
                await response.write_eof()
                return
        for start in range(0, len(body), PART_BYTES_MAX):
            async with read_in_time():
                await response.write(body[start : start + PART_BYTES_MAX])
        async with read_in_time():
            await web.StreamResponse.write_eof(response)  # without the body, which is sent
    except ConnectionError:
        leave(request)


def _place(request: web.BaseRequest) -> dict[str, str]:
    """Of a request, for a line of the log. Not its query, which may hold what is secret."""
    path = request.raw_path.partition("?")[0]
    return {"method": request.method, "path": path, "request_id": request[REQUEST_ID]}
