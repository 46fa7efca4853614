"""Outgoing HTTP over real sockets: what is sent, what comes back, and every way in which it can fail."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver, ResolveResult

from http_guest import Guest
from http_peers import KIB, MIB, Authority, Honest, honest, saying, scripted
from obelisk_runtime.core.allowed_hosts import AllowedHost, allow
from obelisk_runtime.core.deployment import HttpLimits
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.core.secrets import GrantedSecret, Secret, placeholder
from obelisk_runtime.ports.network import NetworkGrants
from obelisk_runtime.testing.world import ScriptedWorld
from obelisk_runtime.wasi import WasiState, io
from obelisk_runtime.wasi.http.client import HttpClient, UnusableAuthorities

pytestmark = pytest.mark.asyncio(loop_scope="module")
LOOPBACK = allow("*://127.0.0.1:*")
SECOND = 1_000_000_000
PLACEHOLDER = placeholder(bytes(16))
TOKEN = GrantedSecret("TOKEN", PLACEHOLDER.encode(), Secret(b"the-secret-value"))
CLOSED = {"err": "closed"}


class Names(AbstractResolver):
    """Names with addresses, which may change with every look."""

    def __init__(self, **addresses: list[str]) -> None:
        self._addresses = {name.replace("_", "."): found for name, found in addresses.items()}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        addresses = self._addresses.get(host)
        if addresses is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        version = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [ResolveResult(hostname=host, host=address, port=port, family=version, proto=0, flags=0)]

    async def close(self) -> None:
        pass


class Caller:
    """A guest whose requests are sent."""

    def __init__(
        self, client: HttpClient, *allowed: AllowedHost, secrets: tuple[GrantedSecret, ...] = (), **limits: int
    ) -> None:
        self.world = ScriptedWorld(
            network=NetworkGrants("caller", allowed or (LOOPBACK,), HttpLimits(**limits), secrets)
        )
        self.guest = Guest(WasiState(self.world, client.outgoing(self.world)))

    @property
    def record(self) -> RequestMade:
        (record,) = self.world.requests
        return record

    def request(self, url: str, method: str = "GET", *headers: tuple[str, bytes]) -> int:
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        guest = self.guest
        request = guest("[constructor]outgoing-request", guest.fields(*headers))
        for part, value in [
            ("method", {"other": method}),
            ("scheme", scheme.upper()),
            ("authority", authority),
            ("path-with-query", slash + path),
        ]:
            assert guest(f"[method]outgoing-request.set-{part}", request, value) == {"ok": None}, value
        return request

    def send(self, request: int, **timeouts: int) -> int:
        options = self.guest("[constructor]request-options")
        for name, duration in timeouts.items():
            self.guest(f"[method]request-options.set-{name.replace('_', '-')}-timeout", options, duration)
        return self.guest("handle", request, options)["ok"]

    def body(self, request: int) -> tuple[int, int]:
        body = self.guest("[method]outgoing-request.body", request)["ok"]
        return body, self.guest("[method]outgoing-body.write", body)["ok"]

    async def write(self, stream: int, contents: bytes) -> Any:
        return await later(io.write_and_flush(self.guest.state, stream, contents))

    def finish(self, body: int, stream: int) -> Any:
        self.guest.drop(stream)
        return self.guest("[static]outgoing-body.finish", body, None)

    async def answer(self, future: int) -> Any:
        """The handle of the response, or the error code."""
        pollable = self.guest("[method]future-incoming-response.subscribe", future)
        await later(io.block(self.guest.state, pollable))
        self.guest.drop(pollable)
        answer = self.guest("[method]future-incoming-response.get", future)["ok"]
        return answer.get("ok") or answer["err"]

    def status(self, response: int) -> int:
        return self.guest("[method]incoming-response.status", response)

    def headers(self, response: int) -> list[tuple[str, bytes]]:
        return self.guest.entries(self.guest("[method]incoming-response.headers", response))

    def open(self, response: int) -> int:
        """The stream of the response's body."""
        self.incoming = self.guest("[method]incoming-response.consume", response)["ok"]
        return self.guest("[method]incoming-body.stream", self.incoming)["ok"]

    async def read(self, stream: int) -> Any:
        answer = await later(io.blocking_read(self.guest.state, stream, 64 * KIB))
        if answer == CLOSED or "ok" in answer:
            return answer.get("ok", b"")
        return self.guest("http-error-code", answer["err"]["last_operation_failed"])

    async def read_all(self, response: int) -> Any:
        """All bytes, or the error code that came instead of the end."""
        stream, found = self.open(response), b""
        while chunk := await self.read(stream):
            if not isinstance(chunk, bytes):
                return chunk
            found += chunk
        return found

    async def get(self, url: str, *headers: tuple[str, bytes], **timeouts: int) -> Any:
        return await self.answer(self.send(self.request(url, "GET", *headers), **timeouts))

    async def post(self, url: str, contents: bytes, *headers: tuple[str, bytes]) -> Any:
        request = self.request(url, "POST", *headers)
        body, stream = self.body(request)
        future = self.send(request)
        await self.write(stream, contents)
        self.finish(body, stream)
        return await self.answer(future)


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def later(answer: Any) -> Any:
    return await answer if isinstance(answer, Awaitable) else answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[Honest]:
    async with honest() as server:
        yield server


@pytest.fixture
def caller(client: HttpClient) -> Caller:
    return Caller(client)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


# What is sent


async def test_a_request_is_sent_as_it_is_and_nothing_is_added(caller: Caller, server: Honest) -> None:
    response = await caller.get(
        f"http://{server.authority}/a/../b?c=%7e{{}}&d", ("X-One", b"1"), ("x-one", "ä".encode())
    )
    assert caller.status(response) == 200
    assert await caller.read_all(response) == b"hello"
    method, path, _, body = server.requests[0]
    assert (method, path, body) == ("GET", "/a/../b?c=%7e{}&d", b"")
    assert server.raw_headers == [
        (b"Host", server.authority.encode()),
        (b"X-One", b"1"),
        (b"X-One", "ä".encode()),
    ]


async def test_a_response_is_what_came(caller: Caller, server: Honest) -> None:
    response = await caller.get(f"http://{server.authority}/")
    headers = dict(caller.headers(response))
    assert (headers["X-Many"], headers["Content-Encoding"], headers["Content-Length"]) == (b"1", b"odd", b"5")
    assert "Connection" not in headers


async def test_redirects_and_cookies_are_the_guests(caller: Caller, server: Honest) -> None:
    response = await caller.get(f"http://{server.authority}/status/302")
    assert caller.status(response) == 302
    assert ("Location", b"/elsewhere") in caller.headers(response)
    await caller.get(f"http://{server.authority}/")
    assert "Cookie" not in server.requests[1][2]


async def test_connections_are_used_again(caller: Caller, server: Honest) -> None:
    for _ in range(3):
        assert await caller.read_all(await caller.get(f"http://{server.authority}/")) == b"hello"
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [((), "Transfer-Encoding"), ((("content-length", b"5"),), "Content-Length")],
)
async def test_a_body_is_announced_as_the_guest_wants(
    caller: Caller, server: Honest, headers: tuple[tuple[str, bytes], ...], expected: str
) -> None:
    response = await caller.post(f"http://{server.authority}/", b"12345", *headers)
    assert await caller.read_all(response) == b"12345"
    assert {"Transfer-Encoding", "Content-Length"} & set(server.requests[0][2]) == {expected}
    assert (caller.record.sent, caller.record.received, caller.record.status) == (5, 5, 200)


async def test_an_empty_body_of_a_get_is_none(caller: Caller, server: Honest) -> None:
    request = caller.request(f"http://{server.authority}/")
    body, stream = caller.body(request)
    future = caller.send(request)
    caller.finish(body, stream)
    assert caller.status(await caller.answer(future)) == 200
    assert not {"Transfer-Encoding", "Content-Length"} & set(server.requests[0][2])


async def test_bodies_stream_both_ways_at_once(caller: Caller, server: Honest) -> None:
    request = caller.request(f"http://{server.authority}/echo", "POST")
    body, out = caller.body(request)
    future = caller.send(request)
    response = await caller.answer(future)
    stream = caller.open(response)
    for number in range(3):
        assert await caller.write(out, b"%d" % number) == {"ok": None}
        assert await caller.read(stream) == b"%d" % number
    caller.finish(body, out)
    assert await caller.read(stream) == b""


async def test_a_guest_that_does_not_read_holds_up_the_server_and_not_the_memory(caller: Caller) -> None:
    written = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(64 * KIB))
            written += 64 * KIB
            await writer.drain()

    async with scripted(flood) as port:
        stream = caller.open(await caller.get(f"http://127.0.0.1:{port}/"))
        assert await caller.read(stream)
        before = -1
        while before < written:  # until it moves no more in a tenth of a second
            before = written
            await asyncio.sleep(0.1)
        assert written < 20 * MIB
        caller.guest.drop(stream)
        caller.guest.drop(caller.incoming)
    assert caller.record.detail == "the body was not read to its end"


async def test_a_guest_that_writes_more_than_the_server_reads_waits(caller: Caller) -> None:
    release = asyncio.Event()
    async with scripted(saying(b"", then=release.wait)) as port:
        request = caller.request(f"http://127.0.0.1:{port}/", "POST")
        _, stream = caller.body(request)
        caller.send(request)
        writing = asyncio.create_task(caller.write(stream, bytes(16 * MIB)))
        done, _ = await asyncio.wait([writing], timeout=0.3)
        assert not done
        writing.cancel()


# Who may be asked


async def test_without_a_pattern_nothing_is_sent(client: HttpClient, server: Honest) -> None:
    caller = Caller(client, allow("https://example.com"))
    assert await caller.get(f"http://{server.authority}/") == "HTTP_request_denied"
    record = caller.record
    assert (record.status, record.error) == (None, "HTTP-request-denied")
    assert record.detail == f"no pattern of allowed_hosts fits http://{server.authority}"
    assert server.requests == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "[::1]", "0", "10.0.0.1", "169.254.169.254"]
)
async def test_an_address_that_is_not_public_is_prohibited_however_it_is_spelled(
    client: HttpClient, server: Honest, host: str
) -> None:
    caller = Caller(client, allow("http://*:*"))
    assert await caller.get(f"http://{host}:{server.port}/") == "destination_IP_prohibited"
    assert "allowed_hosts does not lead" in caller.record.detail
    assert server.requests == []


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "169.254.169.254", "fd00::1"])
async def test_a_name_that_leads_inside_is_prohibited(server: Honest, address: str) -> None:
    client = HttpClient(resolver=Names(rebound_example=[address]))
    caller = Caller(client, allow("http://rebound.example:*"))
    assert await caller.get(f"http://rebound.example:{server.port}/") == "destination_IP_prohibited"
    assert server.requests == []
    await client.close()


async def test_a_name_that_comes_to_lead_inside_is_looked_up_once_for_each_connection(server: Honest) -> None:
    """The address that was checked is the one that is connected to: there is no second look."""
    names = Names(rebound_example=["127.0.0.1", "203.0.113.7", "127.0.0.1"])
    client = HttpClient(resolver=names)
    caller = Caller(client, allow("http://rebound.example:*", private=True))
    assert await caller.read_all(await caller.get(f"http://rebound.example:{server.port}/")) == b"hello"
    assert names.asked == ["rebound.example"]
    outsider = Caller(client, allow("http://rebound.example:*"))
    assert await outsider.get(f"http://rebound.example:{server.port}/") == "destination_IP_prohibited"
    assert await outsider.get(f"http://rebound.example:{server.port}/") == "destination_IP_prohibited"
    assert len(server.requests) == 1
    await client.close()


async def test_localhost_is_allowed_by_its_name_and_leads_to_loopback_only(server: Honest) -> None:
    client = HttpClient(resolver=Names(localhost=["127.0.0.1", "192.0.2.1"]))
    caller = Caller(client, allow("http://localhost:*"))
    assert await caller.read_all(await caller.get(f"http://localhost:{server.port}/")) == b"hello"
    assert (
        await Caller(client, allow("http://*:*")).get(f"http://localhost:{server.port}/") == "destination_IP_prohibited"
    )
    await client.close()


async def test_a_connection_to_inside_is_not_shared_with_who_may_not_have_it(server: Honest) -> None:
    client = HttpClient(resolver=Names(internal_example=["127.0.0.1"]))
    insider = Caller(client, allow("http://internal.example:*", private=True))
    assert await insider.read_all(await insider.get(f"http://internal.example:{server.port}/")) == b"hello"
    outsider = Caller(client, allow("http://internal.example:*"))
    assert await outsider.get(f"http://internal.example:{server.port}/") == "destination_IP_prohibited"
    assert len(server.requests) == 1
    await client.close()


async def test_no_proxy_is_taken_from_the_environment(
    caller: Caller, server: Honest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert caller.status(await caller.get(f"http://{server.authority}/")) == 200


@pytest.mark.parametrize(
    ("method", "url", "error"),
    [
        ("GET", "ftp://127.0.0.1/", "HTTP_request_URI_invalid"),
        ("GET", "http://1.2.3.4.5/", "HTTP_request_URI_invalid"),
        ("GET", "http://127.0.0.1:0/", "HTTP_request_URI_invalid"),
        ("OPTIONS", "http://127.0.0.1/*", "HTTP_request_URI_invalid"),
        ("CONNECT", "http://127.0.0.1/", "HTTP_request_method_invalid"),
    ],
)
async def test_what_is_no_request_is_not_sent(caller: Caller, method: str, url: str, error: str) -> None:
    request = caller.request(url.replace("/*", "/"), method)
    if url.startswith("ftp"):
        caller.guest("[method]outgoing-request.set-scheme", request, {"other": "ftp"})
    if url.endswith("*"):
        caller.guest("[method]outgoing-request.set-path-with-query", request, "*")
    assert await caller.answer(caller.send(request)) == error
    assert caller.record.error is not None


# TLS


async def test_tls_is_verified_against_the_configured_authorities(authority: Authority) -> None:
    async with honest(authority.server("127.0.0.1")) as server:
        for file, expected in [(authority.file, b"hello"), (None, None)]:
            client = HttpClient(file)
            caller = Caller(client)
            answer = await caller.get(f"https://{server.authority}/")
            assert (await caller.read_all(answer) if expected else answer) == (expected or "TLS_certificate_error")
            await client.close()


async def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    async with honest(authority.server("other.example", "127.0.0.2")) as server:
        client = HttpClient(authority.file)
        caller = Caller(client)
        assert await caller.get(f"https://{server.authority}/") == "TLS_certificate_error"
        assert "127.0.0.1" in caller.record.detail
        await client.close()


async def test_what_speaks_no_tls_is_a_protocol_error(caller: Caller, server: Honest) -> None:
    assert await caller.get(f"https://{server.authority}/") == "TLS_protocol_error"


async def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for file in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises(UnusableAuthorities, match=file.name):
            HttpClient(file, Names())


# What goes wrong


async def test_nobody_listens(caller: Caller) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await caller.get(f"http://127.0.0.1:{port}/") == "connection_refused"


async def test_a_name_that_is_not_known() -> None:
    client = HttpClient(resolver=Names())
    caller = Caller(client, allow("http://*"))
    assert await caller.get("http://nobody.example/") == {"DNS_error": {"rcode": "NXDOMAIN", "info_code": None}}
    await client.close()


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", "connection_terminated"),
        (b"HTTP/1.1 200", "connection_terminated"),
        (b"no http at all\r\n\r\n", "HTTP_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70 * KIB + b"\r\n\r\n", {"HTTP_response_header_section_size": None}),
    ],
)
async def test_a_head_that_is_none(caller: Caller, said: bytes, error: object) -> None:
    async with scripted(saying(said)) as port:
        assert await caller.get(f"http://127.0.0.1:{port}/") == error


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"Content-Length: 10\r\n\r\nshort", "HTTP_response_incomplete"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n", "HTTP_response_incomplete"),
        (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP_protocol_error"),
    ],
)
async def test_a_body_that_ends_too_early_is_no_body(caller: Caller, said: bytes, error: object) -> None:
    async with scripted(saying(b"HTTP/1.1 200 OK\r\n" + said)) as port:
        answer = await caller.get(f"http://127.0.0.1:{port}/")
        assert (await caller.read_all(answer) if isinstance(answer, int) else answer) == error
    assert caller.record.error is not None


async def test_a_body_that_is_longer_than_it_says_is_never_read_as_such(caller: Caller) -> None:
    async with scripted(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef")) as port:
        assert await caller.get(f"http://127.0.0.1:{port}/") == "HTTP_protocol_error"


async def test_a_response_without_length_ends_with_the_connection(caller: Caller) -> None:
    async with scripted(saying(b"HTTP/1.1 200 OK\r\n\r\nall ", b"of it")) as port:
        assert await caller.read_all(await caller.get(f"http://127.0.0.1:{port}/")) == b"all of it"


async def test_an_endless_body_is_cut_at_the_limit(client: HttpClient) -> None:
    caller = Caller(client, response_bytes_max=MIB)

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(64 * KIB))
            await writer.drain()

    async with scripted(flood) as port:
        answer = await caller.get(f"http://127.0.0.1:{port}/")
        assert await caller.read_all(answer) == {"HTTP_response_body_size": MIB}
    assert (caller.record.status, caller.record.error) == (200, "HTTP-response-body-size")
    assert MIB < caller.record.received < 2 * MIB


async def test_an_endless_request_is_cut_at_the_limit(client: HttpClient, server: Honest) -> None:
    caller = Caller(client, request_bytes_max=100_000)
    request = caller.request(f"http://{server.authority}/", "POST")
    _, stream = caller.body(request)
    future = caller.send(request)
    outcome = await caller.write(stream, bytes(MIB))
    assert caller.guest("http-error-code", outcome["err"]["last_operation_failed"]) == {
        "HTTP_request_body_size": 100_000
    }
    assert await caller.answer(future) == {"HTTP_request_body_size": 100_000}
    assert server.requests == []


async def test_a_length_without_a_body_is_refused(caller: Caller, server: Honest) -> None:
    answer = await caller.get(f"http://{server.authority}/", ("content-length", b"5"))
    assert answer == {"HTTP_request_body_size": 0}


async def test_a_body_that_is_dropped_fails_its_request(caller: Caller, server: Honest) -> None:
    request = caller.request(f"http://{server.authority}/", "POST")
    body, stream = caller.body(request)
    future = caller.send(request)
    await caller.write(stream, b"half")
    caller.guest.drop(stream)
    caller.guest.drop(body)
    assert "without finishing" in (await caller.answer(future))["internal_error"]
    assert server.requests == []


@pytest.mark.parametrize(
    ("said", "timeouts", "error"),
    [
        ((), {"first_byte": SECOND // 50}, "connection_read_timeout"),
        ((b"HTTP/1.1 200 OK\r\n\r\nx",), {"between_bytes": SECOND // 50}, "connection_read_timeout"),
        ((b"HTTP/1.1 200 OK\r\n\r\nx",), {"first_byte": 10 * SECOND, "between_bytes": 0}, "connection_read_timeout"),
    ],
)
async def test_the_guests_timeouts_are_kept(
    caller: Caller, said: tuple[bytes, ...], timeouts: dict[str, int], error: str
) -> None:
    release = asyncio.Event()
    async with scripted(saying(*said, then=release.wait)) as port:
        answer = await caller.get(f"http://127.0.0.1:{port}/", **timeouts)
        if isinstance(answer, int):
            stream = caller.open(answer)
            answer = await caller.read(stream)
            if answer == b"x":
                answer = await caller.read(stream)
        assert answer == error


async def test_a_first_byte_that_came_ends_that_timeout(caller: Caller) -> None:
    release = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(b"HTTP/1.1 200 OK\r\n\r\na", then=release.wait)(reader, writer)
        writer.write(b"b")
        await writer.drain()

    async with scripted(talk) as port:
        stream = caller.open(await caller.get(f"http://127.0.0.1:{port}/", first_byte=SECOND))
        assert await caller.read(stream) == b"a"
        asyncio.get_running_loop().call_later(1.3, release.set)
        assert await caller.read(stream) == b"b"


async def test_one_request_more_than_allowed_waits_for_its_turn(client: HttpClient, server: Honest) -> None:
    caller = Caller(client, connections_max=1)
    held = caller.send(caller.request(f"http://{server.authority}/wait"))
    assert await caller.get(f"http://{server.authority}/", connect=SECOND // 50) == "connection_limit_reached"
    patient = caller.send(caller.request(f"http://{server.authority}/"))
    server.release.set()
    assert await caller.read_all(await caller.answer(held)) == b"hello"
    assert caller.status(await caller.answer(patient)) == 200


async def test_a_request_that_the_guest_gives_up_is_closed_and_recorded(caller: Caller) -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        gone.set()

    arrived = asyncio.Event()
    async with scripted(talk) as port:
        future = caller.send(caller.request(f"http://127.0.0.1:{port}/"))
        await arrived.wait()
        caller.guest.drop(future)
        await gone.wait()
    assert (caller.record.status, caller.record.error) == (None, "cancelled")


async def test_a_guest_that_ends_leaves_nothing_open(caller: Caller, server: Honest) -> None:
    response = await caller.get(f"http://{server.authority}/bytes/{MIB}")
    stream = caller.open(response)
    assert await caller.read(stream)
    caller.send(caller.request(f"http://{server.authority}/wait"))
    await asyncio.sleep(0)
    caller.guest.state.close()
    await turns()
    assert {record.error for record in caller.world.requests} == {None, "cancelled"}


# Secrets


@pytest.fixture
def trusted(client: HttpClient) -> Caller:
    return Caller(client, allow("http://127.0.0.1:*", secrets=["TOKEN"]), secrets=(TOKEN,))


@pytest.fixture
def untrusted(client: HttpClient) -> Caller:
    return Caller(client, LOOPBACK, secrets=(TOKEN,))


async def test_a_secret_reaches_headers_and_query_and_not_the_record(trusted: Caller, server: Honest) -> None:
    url = f"http://{server.authority}/x?key={PLACEHOLDER}&a=b"
    await trusted.get(url, ("Authorization", f"Bearer {PLACEHOLDER}".encode()))
    _, path, headers, _ = server.requests[0]
    assert path == "/x?key=the-secret-value&a=b"
    assert headers["Authorization"] == "Bearer the-secret-value"
    await asyncio.sleep(0)
    trusted.guest.state.close()
    assert trusted.record.url == f"http://{server.authority}/x?key=[secret TOKEN]&a=b"
    assert "the-secret-value" not in repr(trusted.world.requests)


@pytest.mark.parametrize("announced", [False, True])
async def test_a_secret_reaches_the_body_and_its_length_is_right(
    trusted: Caller, server: Honest, announced: bool
) -> None:
    contents = f'{{"key": "{PLACEHOLDER}"}}'.encode()
    headers = [("content-length", b"%d" % len(contents))] if announced else []
    response = await trusted.post(f"http://{server.authority}/", contents, *headers)
    assert await trusted.read_all(response) == b'{"key": "the-secret-value"}'
    assert server.requests[0][2].get("Content-Length") == (str(len(contents) - 31) if announced else None)


async def test_a_secret_across_writes_is_found(trusted: Caller, server: Honest) -> None:
    request = trusted.request(f"http://{server.authority}/", "POST")
    body, stream = trusted.body(request)
    future = trusted.send(request)
    for start in range(0, len(PLACEHOLDER), 10):
        await trusted.write(stream, PLACEHOLDER[start : start + 10].encode())
    trusted.finish(body, stream)
    assert await trusted.read_all(await trusted.answer(future)) == b"the-secret-value"


@pytest.mark.parametrize(("where", "fails"), [(10, False), (2 * MIB, True)])
async def test_in_a_long_body_of_known_length_a_secret_is_near_its_beginning(
    trusted: Caller, server: Honest, where: int, fails: bool
) -> None:
    contents = bytearray(3 * MIB)
    contents[where : where + len(PLACEHOLDER)] = PLACEHOLDER.encode()
    request = trusted.request(f"http://{server.authority}/echo", "POST", ("content-length", b"%d" % len(contents)))
    body, stream = trusted.body(request)
    future = trusted.send(request)

    async def write() -> None:
        await trusted.write(stream, bytes(contents))
        trusted.finish(body, stream)

    writing = asyncio.create_task(write())
    answer = await trusted.answer(future)
    read = await trusted.read_all(answer) if isinstance(answer, int) else answer
    await writing
    if fails:
        assert "leave Content-Length out" in read["internal_error"]
    else:
        assert len(read) == len(contents) - 31
        assert read[where : where + 16] == b"the-secret-value"


@pytest.mark.parametrize("where", ["header", "query", "path", "body", "basic"])
async def test_a_host_that_may_not_have_a_secret_gets_not_even_its_placeholder(
    untrusted: Caller, server: Honest, where: str
) -> None:
    url = f"http://{server.authority}/"
    match where:
        case "header":
            answer = await untrusted.get(url, ("x", PLACEHOLDER.encode()))
        case "query":
            answer = await untrusted.get(f"{url}?a={PLACEHOLDER}")
        case "path":
            answer = await untrusted.get(url + PLACEHOLDER)
        case "basic":
            credentials = base64.b64encode(b"user:" + PLACEHOLDER.encode())
            answer = await untrusted.get(url, ("authorization", b"Basic " + credentials))
        case _:
            answer = await untrusted.post(url, b"a" * 100 + PLACEHOLDER.encode())
    assert answer == "HTTP_request_denied"
    assert server.requests == []
    assert "TOKEN" in untrusted.record.detail
    assert PLACEHOLDER not in repr(untrusted.record)


# Records


async def test_a_request_is_recorded_with_sizes_and_status(caller: Caller, server: Honest) -> None:
    assert len(await caller.read_all(await caller.get(f"http://{server.authority}/bytes/100000?q"))) == 100_000
    assert caller.record == RequestMade(
        at=caller.world.wall_clock(),
        method="GET",
        url=f"http://{server.authority}/bytes/100000?q",
        status=200,
        error=None,
        detail="",
        sent=0,
        received=100_000,
        head_after=0,
        duration=0,
    )


async def test_a_long_url_is_cut(caller: Caller, server: Honest) -> None:
    await caller.read_all(await caller.get(f"http://{server.authority}/?{'x' * 5_000}"))
    assert len(caller.record.url) == 2_049
    assert caller.record.url.endswith("x…")
