"""One request of a guest, from its policy to the end of the response's body."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from obelisk_runtime.core.addresses import InvalidHost, Reach, parse_host
from obelisk_runtime.core.allowed_hosts import PORTS, Denied, Destination, Permit, decide, host_text
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.core.retry import SECOND
from obelisk_runtime.core.secrets import Placeholders, SecretNotAllowed
from obelisk_runtime.ports.guest import GuestWorld
from obelisk_runtime.ports.network import NetworkGrants
from obelisk_runtime.wasi.http.error_code import ErrorCase, HttpFailed, failed
from obelisk_runtime.wasi.http.failures import EXPECTED, failure_of
from obelisk_runtime.wasi.http.fields import FORBIDDEN, Field
from obelisk_runtime.wasi.http.messages import IncomingResponse, OutgoingRequest, RequestOptions, content_length
from obelisk_runtime.wasi.http.request_body import RequestBody

URL_CHARACTERS_MAX = 2_048
"""Of a URL in a record."""
_CUT = "…"
_BODY_IS_UNUSUAL = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "TRACE"})
"""With these a body is announced only if there is one: some servers refuse an empty one."""


@dataclass(frozen=True, slots=True)
class Line:
    """Sessions and slots for one exchange."""

    session: Callable[[frozenset[Reach]], aiohttp.ClientSession]
    slots: asyncio.Semaphore
    """One for each request under way."""


class Exchange:
    def __init__(
        self, line: Line, world: GuestWorld, grants: NetworkGrants, request: OutgoingRequest, options: RequestOptions
    ) -> None:
        self._line, self._world, self._grants = line, world, grants
        self._request, self._options = request, options
        self._at, self._started = world.wall_clock(), world.monotonic()
        self._body: RequestBody | None = None
        self._status: int | None = None
        self._head_after: int | None = None
        self._slot = False
        self._ended = False
        self.received = 0

    async def send(self) -> IncomingResponse:
        """Until the head of the response. Raises: HttpFailed."""
        try:
            return await self._send()
        except HttpFailed as failure:
            self.end(failure)
            raise
        except BaseException:
            self.end(None, "cancelled")
            raise

    def end(self, failure: HttpFailed | None, error: str | None = None, detail: str = "") -> None:
        """Nothing more comes. The first time counts."""
        if self._ended:
            return
        self._ended = True
        if self._slot:
            self._line.slots.release()
        if self._request.content is not None:
            self._request.content.fail(failure or failed(ErrorCase.CONNECTION_TERMINATED))
        self._world.requested(
            RequestMade(
                at=self._at,
                method=self._request.method,
                url=self._readable_url(),
                status=self._status,
                error=error if failure is None else str(failure.code.case),
                detail=detail if failure is None else failure.detail,
                sent=0 if self._body is None else self._body.sent,
                received=self.received,
                head_after=self._head_after,
                duration=self._passed(),
            )
        )

    async def _send(self) -> IncomingResponse:
        asked = destination_of(self._request)
        permit = self._permit(asked)
        placeholders = Placeholders(self._grants.secrets, permit.secrets)
        try:
            url = _url(asked, self._request.path or "/", placeholders)
            headers = _headers(self._request.headers.entries(), placeholders)
        except SecretNotAllowed as error:
            raise failed(ErrorCase.REQUEST_DENIED, str(error)) from None
        await self._take_slot()
        await self._prepare_body(headers, placeholders)
        response = await self._answered(self._line.session(permit.reaches), url, headers)
        self._status, self._head_after = response.status, self._passed()
        source = ResponseSource(self, response, self._grants.limits.response_bytes_max, self._options.between_bytes)
        return IncomingResponse(response.status, _readable(response), source)

    def _permit(self, asked: Destination) -> Permit:
        decision = decide(self._grants.allowed, asked)
        if isinstance(decision, Denied):
            case = ErrorCase.DESTINATION_IP_PROHIBITED if decision.by_address else ErrorCase.REQUEST_DENIED
            raise failed(case, decision.reason)
        return decision

    async def _take_slot(self) -> None:
        try:
            async with asyncio.timeout(self._connect_seconds):
                await self._line.slots.acquire()
        except TimeoutError:
            detail = f"{self._grants.limits.connections_max} requests of this component are under way"
            raise failed(ErrorCase.CONNECTION_LIMIT_REACHED, detail) from None
        self._slot = True

    async def _prepare_body(self, headers: CIMultiDict[str], placeholders: Placeholders) -> None:
        content, announced = self._request.content, content_length(self._request.headers)
        if content is None:
            if announced:
                raise failed(ErrorCase.REQUEST_BODY_SIZE, f"Content-Length is {announced}, and there is no body", 0)
            return
        body = RequestBody(content, placeholders, self._grants.limits.request_bytes_max)
        if announced is not None:
            headers["Content-Length"] = str(await body.ahead(announced) if placeholders.fills else announced)
        elif self._request.method in _BODY_IS_UNUSUAL and not await body.peek():
            return
        self._body = body

    async def _answered(
        self, session: aiohttp.ClientSession, url: URL, headers: CIMultiDict[str]
    ) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(connect=self._connect_seconds, sock_read=_seconds(self._options.first_byte))
        body = self._body
        try:
            response = await session.request(
                self._request.method,
                url,
                headers=headers,
                data=None if body is None else body.chunks(),
                allow_redirects=False,
                timeout=timeout,
            )
        except EXPECTED as error:
            raise self.failure_of(error) from error
        if body is not None:
            body.on_failure = response.close
        if response.connection is not None and response.connection.protocol is not None:
            response.connection.protocol.read_timeout = None  # it was for the first byte
            response.connection.protocol.start_timeout()
        return response

    def failure_of(self, error: BaseException) -> HttpFailed:
        """If the request's body failed, all that follows is because of it."""
        failure = None if self._body is None else self._body.failure
        return failure or failure_of(error)

    @property
    def _connect_seconds(self) -> float:
        seconds = _seconds(self._options.connect)
        return self._grants.limits.connect_timeout / SECOND if seconds is None else seconds

    def _passed(self) -> int:
        return (self._world.monotonic() - self._started) // 1_000

    def _readable_url(self) -> str:
        request = self._request
        url = f"{request.scheme or 'https'}://{request.authority or ''}{request.path or '/'}"
        for granted in self._grants.secrets:
            url = url.replace(granted.placeholder.decode(), f"[secret {granted.name}]")
        return url if len(url) <= URL_CHARACTERS_MAX else url[:URL_CHARACTERS_MAX] + _CUT


class ResponseSource:
    """A BodySource: the body of a response. It ends its exchange."""

    def __init__(
        self, exchange: Exchange, response: aiohttp.ClientResponse, bytes_max: int, between_bytes: int | None
    ) -> None:
        self._exchange, self._response, self._bytes_max = exchange, response, bytes_max
        self._between = _seconds(between_bytes)

    async def read(self) -> bytes:
        try:
            chunk = await self._next()
        except HttpFailed as failure:
            self._response.close()
            self._exchange.end(failure)
            raise
        if not chunk:
            self._exchange.end(None)
        return chunk

    async def trailers(self) -> Sequence[Field] | None:
        """aiohttp reads past them."""
        return None

    def close(self) -> None:
        complete = self._response.content.at_eof()
        self._response.close()
        self._exchange.end(None, detail="" if complete else "the body was not read to its end")

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(self._between):
                chunk = await self._response.content.readany()
        except EXPECTED as error:
            raise self._exchange.failure_of(error) from error
        self._exchange.received += len(chunk)
        if self._exchange.received > self._bytes_max:
            detail = f"the body is larger than {self._bytes_max} bytes"
            raise failed(ErrorCase.RESPONSE_BODY_SIZE, detail, self._bytes_max)
        return chunk


def destination_of(request: OutgoingRequest) -> Destination:
    """Without a scheme it is https, as WASI says. Raises: HttpFailed."""
    scheme = request.scheme or "https"
    if scheme not in PORTS:
        raise failed(ErrorCase.REQUEST_URI_INVALID, f"the scheme is {scheme}, expected http or https")
    if request.method == "CONNECT":
        raise failed(ErrorCase.REQUEST_METHOD_INVALID, "CONNECT is for proxies")
    if request.path == "*":
        raise failed(ErrorCase.REQUEST_URI_INVALID, "the path is *, expected one that begins with /")
    name, colon, port = _split(request.authority or "")
    try:
        host = parse_host(name)
    except InvalidHost as error:
        raise failed(ErrorCase.REQUEST_URI_INVALID, str(error)) from None
    number = int(port) if colon else PORTS[scheme]
    if not 0 < number < 65_536:
        raise failed(ErrorCase.REQUEST_URI_INVALID, f"the port is {number}")
    return Destination(request.method, scheme, host, number, _split_path(request.path or "/")[0])


def _split(authority: str) -> tuple[str, str, str]:
    """Host, colon, port of what `is_authority` holds for."""
    if authority.endswith("]") or ":" not in authority:
        return authority, "", ""
    return authority.rpartition(":")


def _split_path(path: str) -> tuple[str, str]:
    """The path, and the query with its question mark."""
    before, mark, query = path.partition("?")
    return before or "/", mark + query


def _url(asked: Destination, path: str, placeholders: Placeholders) -> URL:
    """Raises: SecretNotAllowed."""
    before, query = _split_path(path)
    placeholders.nowhere_in(before, "the path")
    origin = f"{asked.scheme}://{host_text(asked.host)}:{asked.port}"
    return URL(origin + before + placeholders.in_query(query), encoded=True)


def _headers(fields: Sequence[Field], placeholders: Placeholders) -> CIMultiDict[str]:
    """Content-Length is said with the body. Raises: SecretNotAllowed, HttpFailed."""
    headers = CIMultiDict[str]()
    spelled: dict[str, str] = {}
    for name, value in fields:
        if name.lower() == "content-length":
            headers["Content-Length"] = value.decode()
            continue
        try:
            # Names that differ in case only would replace one another in aiohttp.
            headers.add(spelled.setdefault(name.lower(), name), placeholders.in_header(value).decode())
        except UnicodeDecodeError:
            detail = f"the header {name} is not UTF-8"
            raise failed(ErrorCase.INTERNAL_ERROR, detail, detail) from None
    return headers


def _readable(response: aiohttp.ClientResponse) -> list[Field]:
    """Headers without those of the connection."""
    named = ((name.decode("latin-1"), value) for name, value in response.raw_headers)
    return [(name, value) for name, value in named if name.lower() not in FORBIDDEN]


def _seconds(nanoseconds: int | None) -> float | None:
    """At least a millisecond: 0 would mean never to aiohttp."""
    return None if nanoseconds is None else max(nanoseconds / 1e9, 0.001)
