"""What both listeners do for every connection and request, over real sockets: times, sizes, errors."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.serving import HttpFigures, HttpListener, Problem, ProblemType, boundary, listening
from obelisk_server.serving.problems import problem_of
from registry_servers import Authority

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
BAD = ProblemType(418, "bad", "It is bad")
SOON = 0.05
"""Instead of half a minute."""


class Bad(ObeliskError):
    pass


async def fine(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="fine")


@dataclass
class Place:
    """A Site."""

    answer: Answer = fine
    port: int = 0
    figures: HttpFigures = field(default_factory=HttpFigures)
    told: list[tuple[int | None, ObeliskError | None]] = field(default_factory=list)

    def problem_of(self, error: ObeliskError) -> Problem:
        return problem_of({Bad: BAD}, error)

    def answered(
        self, request: web.BaseRequest, response: web.StreamResponse | None, error: ObeliskError | None
    ) -> None:
        self.told.append((None if response is None else response.status, error))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, head: str = "", *more: str) -> str:
        """All that comes until the server closes."""
        async with asyncio.timeout(120):
            reader, writer = await self.connect()
            lines = "".join(f"{line}\r\n" for line in ("Host: localhost", "Connection: close", *more))
            writer.write(f"{head or 'GET / HTTP/1.1'}\r\n{lines}\r\n".encode())
            answer = (await reader.read()).decode()
            writer.close()
            return answer


@asynccontextmanager
async def serving(answer: Answer = fine, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Place]:
    place = Place(answer)
    listener = HttpListener(place, figures=place.figures)
    bound = socket.create_server(("127.0.0.1", 0))
    place.port = bound.getsockname()[1]
    await listener.start(bound, drain_seconds=SOON, tls=tls)
    yield place
    await listener.stop()


@pytest.mark.parametrize("before", ["", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"])
@pytest.mark.parametrize("begun", ["", "GET / HTTP/1.1\r\nHost: loc"])
async def test_a_head_that_does_not_come_closes_the_connection_also_after_another_request(
    monkeypatch: pytest.MonkeyPatch, before: str, begun: str
) -> None:
    monkeypatch.setattr(listening, "HEAD_SECONDS_MAX", SOON)
    async with serving() as place, asyncio.timeout(120):
        reader, writer = await place.connect()
        writer.write((before + begun).encode())
        assert (await reader.read()).endswith(b"fine" if before else b"")
        writer.close()


async def test_a_client_that_does_not_read_its_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "WRITE_SECONDS_MAX", SOON)
    size = 64 * 1024 * 1024

    async def much(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=bytes(size))

    async with serving(much) as place, asyncio.timeout(120):
        with socket.create_connection(("127.0.0.1", place.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not place.figures.answers:  # noqa: ASYNC110 - the server gives up soon
                await asyncio.sleep(0.001)
            client.setblocking(False)
            read = 0
            with suppress(ConnectionError):
                while chunk := await asyncio.get_running_loop().sock_recv(client, size):
                    read += len(chunk)
        assert read < size


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_large_answer_is_sent_in_parts(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(boundary, "PART_BYTES_MAX", 7)
    body = "0123456789" * 10

    async def much(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=body)

    async with serving(much) as place:
        head, _, sent = (await place.ask(f"{method} / HTTP/1.1")).partition("\r\n\r\n")
    assert "Content-Length: 100" in head
    assert sent == (body if method == "GET" else "")


async def closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The server has closed it without a word."""
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()


async def test_connections_that_do_not_speak_tls_yet_count_and_are_given_up_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority.make(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.certificate, authority.key_file)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    monkeypatch.setattr(listening, "CONNECTIONS_MAX", 1)
    async with serving(tls=context) as place, asyncio.timeout(120):
        _, silent = await place.connect()
        await closed(*await place.connect())
        silent.close()
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", place.port, ssl=trusting)
                break
            except ConnectionError:  # the server has not seen yet that the first has gone
                await asyncio.sleep(0.001)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"fine")
        writer.close()
    monkeypatch.setattr(listening, "HANDSHAKE_SECONDS_MAX", SOON)
    async with serving(tls=context) as place, asyncio.timeout(120):
        await closed(*await place.connect())
    monkeypatch.undo()
    async with serving(tls=context) as place:
        begun = await place.connect()
    await closed(*begun)


async def test_more_connections_than_the_limit_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "CONNECTIONS_MAX", 1)
    async with serving() as place:
        _, first = await place.connect()
        assert (await place.ask()).startswith("HTTP/1.1 503 ")
        first.close()
        while (await place.ask())[9:12] != "200":
            pass


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("secret HTTP/1.1", "X: y"),
        ("GET / HTTP/1.1", "X: " + "secret" * 2_000),
        ("GET / HTTP/1.1", "X: secret\0"),
        ("POST / HTTP/1.1", "Content-Length: 1\r\nTransfer-Encoding: chunked"),
        ("POST / HTTP/1.1", "Content-Length: 1\r\nContent-Length: 2"),
        ("GET / HTTP/1.1", "Host: other"),
        ("GET / HTTP/1.1", "\r\n".join(f"X-{number}: y" for number in range(200))),
    ],
)
async def test_what_is_no_http_gets_a_problem_that_does_not_repeat_it_and_no_line_in_the_log(
    caplog: pytest.LogCaptureFixture, head: str, line: str
) -> None:
    async with serving() as place:
        answer = await place.ask(head, line)
    assert answer.startswith("HTTP/1.0 400 ")
    assert "urn:obelisk:problem:no-http" in answer
    assert "Content-Security-Policy: default-src 'none'" in answer
    assert "secret" not in answer
    assert caplog.records == []
    assert place.told == []


async def test_an_error_is_its_problem_and_any_other_exception_stays_inside(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/bad":
            raise Bad("it is bad")
        raise ValueError("what nobody may see")

    async with serving(fails) as place:
        refused = await place.ask("GET /bad HTTP/1.1")
        assert refused.startswith("HTTP/1.1 418 ")
        assert '"detail":"it is bad"' in refused
        assert caplog.records == []
        failed = await place.ask("GET /worse?token=secret HTTP/1.1", "X-Request-Id: mine")
        assert failed.startswith("HTTP/1.1 500 ")
        assert "X-Request-Id: mine" in failed
        assert "nobody" not in failed
        (record,) = caplog.records
        assert (record.levelno, vars(record)["request_id"], vars(record)["path"]) == (logging.ERROR, "mine", "/worse")
        assert [status for status, _ in place.told] == [418, 500]
        assert isinstance(place.told[0][1], Bad)


async def test_a_client_that_is_gone_before_its_answer_is_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def late(request: web.BaseRequest) -> web.StreamResponse:
        while request.transport is not None:  # noqa: ASYNC110 - each turn of the loop brings it nearer
            await asyncio.sleep(0)
        return web.Response(text="late")

    async with serving(late) as place, asyncio.timeout(120):
        _, writer = await place.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()
        writer.close()
        while not place.told:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
    assert caplog.records == []


async def test_a_request_that_is_ended_is_told_of_as_unanswered() -> None:
    begun = asyncio.Event()

    async def waits(_: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(waits) as place:
        _, writer = await place.connect()
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await begun.wait()
    assert place.told == [(None, None)]
    writer.close()
