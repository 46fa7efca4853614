"""Webhooks with code: requests go to components, and their answers to clients, both as streams."""

import asyncio
import logging
from typing import Any, NoReturn
from urllib.parse import quote

from aiohttp import hdrs, web
from multidict import CIMultiDict

from obelisk_runtime.core import guest_outcomes as guest
from obelisk_runtime.ports.http import HttpAnswer, HttpBroken, HttpRequest
from obelisk_runtime.service import NoAnswer, Service, WebhookCall
from obelisk_server.config.webhooks.route_patterns import REST
from obelisk_server.config.webhooks.settings import ComponentWebhook
from obelisk_server.serving import BodyTooLarge, invite_body, leave, read_in_time
from obelisk_server.webhooks.refusals import HandlerEnded, HandlerFailed, HandlerTooSlow
from obelisk_server.webhooks.routes import Match

_log = logging.getLogger(__name__)
READ_BYTES = 64 * 1024
PATH_HEADER = "x-obelisk-path-"
"""Before the name of a path parameter; what clients send under such names is left out."""
REST_NAME = "rest"
"""The name of what a `*` stands for."""
EXECUTION_HEADER = "Obelisk-Execution-Id"
_BODILESS = frozenset({204, 304})


class ComponentMount:
    """One `[[webhook]]` with a component."""

    def __init__(self, webhook: ComponentWebhook, service: Service) -> None:
        self.webhook = webhook
        self._service = service

    async def answer(self, request: web.BaseRequest, match: Match[Any]) -> web.StreamResponse:
        """Until the guest has ended. Raises: ObeliskError, as in `refusals.PROBLEMS`."""
        bounds = self.webhook.bounds
        if (request.content_length or 0) > bounds.body_bytes_max:
            raise BodyTooLarge(bounds.body_bytes_max)
        call = self._service.handle(
            self.webhook.name, _request(request, match, bounds.body_bytes_max), seconds=bounds.timeout / 1e6
        )
        try:
            response = await _exchange(request, call)
        except asyncio.CancelledError:
            call.leave()
            raise
        await asyncio.shield(call.ended)  # the client has its answer, and may leave; the guest may go on
        return response


async def _exchange(request: web.BaseRequest, call: WebhookCall) -> web.StreamResponse:
    """Raises: HandlerFailed, HandlerTooSlow, HandlerEnded."""
    try:
        answer = await call.answer()
    except NoAnswer as error:
        call.leave()
        _refuse(error, call)
    if answer.status < 200:
        call.leave()
        raise HandlerFailed(call.execution_id if call.has_execution else None)
    response = _head(answer, call)
    try:
        await response.prepare(request)
        empty = request.method == hdrs.METH_HEAD or answer.status in _BODILESS
        async for chunk in answer.chunks():
            if not empty:
                async with read_in_time():
                    await response.write(chunk)
        await call.durable()
        await response.write_eof()
    except (HttpBroken, NoAnswer, ConnectionError) as error:
        # The head is sent: only an end in the middle tells the client that this is not all.
        _log.warning("an answer was cut off", extra={"path": request.path, "reason": str(error)})
        call.leave()
        leave(request)
    return response


def _refuse(error: NoAnswer, call: WebhookCall) -> NoReturn:
    execution_id = call.execution_id if call.has_execution else None
    match error.outcome:
        case guest.TimedOut():
            raise HandlerTooSlow(execution_id) from error
        case guest.Dropped():
            raise HandlerEnded from error
        case _:
            raise HandlerFailed(execution_id) from error


def _head(answer: HttpAnswer, call: WebhookCall) -> web.StreamResponse:
    headers = CIMultiDict[str]()
    for name, value in answer.headers:
        headers.add(name, value.decode("utf-8", "surrogateescape"))
    if call.has_execution:
        headers[EXECUTION_HEADER] = call.execution_id
    return web.StreamResponse(status=answer.status, headers=headers)


def _request(request: web.BaseRequest, match: Match[Any], body_bytes_max: int) -> HttpRequest:
    headers = [
        (name.decode("latin-1"), value)
        for name, value in request.raw_headers
        if not name.lower().startswith(PATH_HEADER.encode())
    ]
    headers += [(_path_header(name), _ascii(value)) for name, value in match.params.items()]
    return HttpRequest(
        method=request.method,
        path=request.raw_path,
        headers=headers,
        scheme=request.scheme,
        authority=request.headers.get(hdrs.HOST, ""),
        body=_Body(request),
        body_bytes_max=body_bytes_max,
    )


def _path_header(name: str) -> str:
    return PATH_HEADER + (REST_NAME if name == REST else name.lower())


def _ascii(text: str) -> bytes:
    """A part of a path as it was sent; what should have been encoded and was not, is."""
    return quote(text, safe="!\"#$%&'()*+,/:;<=>?@[\\]^_`{|}~", errors="surrogateescape").encode("ascii")


class _Body:
    """A RequestBody."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._invited = False

    async def read(self) -> bytes:
        if not self._invited:
            self._invited = True
            await invite_body(self._request)
        try:
            return await self._request.content.read(READ_BYTES)
        except (ConnectionError, web.RequestPayloadError) as error:
            raise HttpBroken(f"the body was cut off: {error}") from error

    def close(self) -> None:
        """aiohttp reads the rest, or closes the connection."""
