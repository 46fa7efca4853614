"""wasi:http/types as a guest and the host see it."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_guest import Guest, Script, incoming
from obelisk_runtime.ports.engine import GuestTrap
from obelisk_runtime.wasi import WasiState, io
from obelisk_runtime.wasi.http import (
    Answer,
    BodySource,
    EmptySource,
    ErrorCase,
    ErrorCode,
    HttpFailed,
    IncomingResponse,
    LimitedSource,
    OutgoingRequest,
    RequestHead,
    RequestOptions,
    failed,
)
from obelisk_runtime.wasi.http.request_line import is_authority, is_path

OK = {"ok": None}
ERR = {"err": None}
CLOSED = {"err": "closed"}
HEAD = RequestHead("POST", "/a?b", [("X-A", b"1"), ("x-a", b"2")], "https", "example.com:8443")


class Network:
    """An `Outgoing` that answers what it is told, and remembers what was sent."""

    def __init__(self, *answers: IncomingResponse | HttpFailed) -> None:
        self.sent: list[tuple[OutgoingRequest, RequestOptions]] = []
        self.answers = list(answers)
        self.cancelled = 0
        self.gate = asyncio.Event()

    async def send(self, request: OutgoingRequest, options: RequestOptions) -> IncomingResponse:
        self.sent.append((request, options))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        answer = self.answers.pop(0)
        if isinstance(answer, HttpFailed):
            raise answer
        return answer


async def later(answer: Any) -> Any:
    return await answer if isinstance(answer, Awaitable) else answer


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def read_all(guest: Guest, stream: int) -> bytes:
    found = b""
    while True:
        answer = await later(io.blocking_read(guest.state, stream, 10_000))
        if answer == CLOSED:
            return found
        found += answer["ok"]


async def all_of(answer: Answer) -> bytes:
    return b"".join([chunk async for chunk in answer.chunks()])


def write(guest: Guest, stream: int, contents: bytes) -> Any:
    assert io.check_write(guest.state, stream)["ok"] >= len(contents)
    return io.write(guest.state, stream, contents)


def respond(guest: Guest, outparam: int, status: int = 200, *headers: tuple[str, bytes]) -> int:
    """Answer; the handle of the body."""
    response = guest("[constructor]outgoing-response", guest.fields(*headers))
    assert guest("[method]outgoing-response.set-status-code", response, status) == OK
    body = guest("[method]outgoing-response.body", response)["ok"]
    guest("[static]response-outparam.set", outparam, {"ok": response})
    return body


# Requests that come in


async def test_a_guest_sees_the_request_as_it_came(guest: Guest) -> None:
    request, _, _ = incoming(guest.state, HEAD, Script(b"one ", b"two"))
    assert guest("[method]incoming-request.method", request) == "post"
    assert guest("[method]incoming-request.path-with-query", request) == "/a?b"
    assert guest("[method]incoming-request.scheme", request) == "HTTPS"
    assert guest("[method]incoming-request.authority", request) == "example.com:8443"
    headers = guest("[method]incoming-request.headers", request)
    assert guest.entries(headers) == [("X-A", b"1"), ("x-a", b"2")]
    assert guest("[method]fields.append", headers, "b", b"") == {"err": "immutable"}
    body = guest("[method]incoming-request.consume", request)["ok"]
    assert guest("[method]incoming-request.consume", request) == ERR
    stream = guest("[method]incoming-body.stream", body)["ok"]
    assert guest("[method]incoming-body.stream", body) == ERR
    assert await read_all(guest, stream) == b"one two"


@pytest.mark.parametrize(
    ("method", "value"), [("GET", "get"), ("PURGE", {"other": "PURGE"}), ("get", {"other": "get"})]
)
async def test_methods_are_exact(guest: Guest, method: str, value: object) -> None:
    request, _, _ = incoming(guest.state, RequestHead(method, "/", []), EmptySource())
    assert guest("[method]incoming-request.method", request) == value


async def test_trailers_come_after_the_body_once(guest: Guest) -> None:
    request, _, _ = incoming(guest.state, HEAD, Script(b"unread", trailers=[("sum", b"7")]))
    body = guest("[method]incoming-request.consume", request)["ok"]
    future = guest("[static]incoming-body.finish", body)
    pollable = guest("[method]future-trailers.subscribe", future)
    assert guest("[method]future-trailers.get", future) is None
    await later(io.block(guest.state, pollable))
    trailers = guest("[method]future-trailers.get", future)["ok"]["ok"]
    assert guest.entries(trailers) == [("sum", b"7")]
    assert guest("[method]future-trailers.get", future) == ERR


async def test_a_body_is_not_finished_while_its_stream_is_held(guest: Guest) -> None:
    request, _, _ = incoming(guest.state, HEAD, EmptySource())
    body = guest("[method]incoming-request.consume", request)["ok"]
    guest("[method]incoming-body.stream", body)
    with pytest.raises(GuestTrap):
        guest("[static]incoming-body.finish", body)


async def test_why_a_body_ended_can_be_asked(guest: Guest) -> None:
    request, _, _ = incoming(guest.state, HEAD, Script(b"half", failed(ErrorCase.RESPONSE_INCOMPLETE)))
    stream = guest("[method]incoming-body.stream", guest("[method]incoming-request.consume", request)["ok"])["ok"]
    assert await later(io.blocking_read(guest.state, stream, 100)) == {"ok": b"half"}
    error = (await later(io.blocking_read(guest.state, stream, 100)))["err"]["last_operation_failed"]
    assert guest("http-error-code", error) == "HTTP_response_incomplete"
    assert await later(io.blocking_read(guest.state, stream, 100)) == CLOSED


async def test_a_body_has_a_largest_size(guest: Guest) -> None:
    source = Script(b"12345", b"6")
    request, _, _ = incoming(guest.state, HEAD, LimitedSource(source, 5, ErrorCase.REQUEST_BODY_SIZE))
    stream = guest("[method]incoming-body.stream", guest("[method]incoming-request.consume", request)["ok"])["ok"]
    assert await later(io.blocking_read(guest.state, stream, 100)) == {"ok": b"12345"}
    error = (await later(io.blocking_read(guest.state, stream, 100)))["err"]["last_operation_failed"]
    assert guest("http-error-code", error) == {"HTTP_request_body_size": 5}


async def test_a_guest_that_leaves_its_body_unread_closes_it(guest: Guest) -> None:
    never, dropped, held = Script(b"a"), Script(b"b"), Script(b"c")
    guest.drop(incoming(guest.state, HEAD, never)[0])
    guest.drop(guest("[method]incoming-request.consume", incoming(guest.state, HEAD, dropped)[0])["ok"])
    body = guest("[method]incoming-request.consume", incoming(guest.state, HEAD, held)[0])["ok"]
    guest("[method]incoming-body.stream", body)
    assert (never.closed, dropped.closed, held.closed) == (True, True, False)
    guest.state.close()
    assert held.closed


# Answers


async def test_an_answer_streams(guest: Guest) -> None:
    _, outparam, answer = incoming(guest.state, HEAD, EmptySource())
    body = respond(guest, outparam, 201, ("a", b"1"))
    answered = await answer
    assert (answered.status, answered.headers) == (201, [("a", b"1")])
    stream = guest("[method]outgoing-body.write", body)["ok"]
    assert guest("[method]outgoing-body.write", body) == ERR
    taking = asyncio.create_task(all_of(answered))
    for number in range(3):
        assert write(guest, stream, b"%d" % number) == OK
        await turns()
    assert not taking.done()
    guest.drop(stream)
    await turns()
    assert not taking.done()
    assert guest("[static]outgoing-body.finish", body, guest.fields(("sum", b"3"))) == OK
    assert await taking == b"012"
    assert answered.trailers == [("sum", b"3")]


async def test_an_answer_without_a_body_is_empty(guest: Guest) -> None:
    _, outparam, answer = incoming(guest.state, HEAD, EmptySource())
    response = guest("[constructor]outgoing-response", guest.fields())
    guest("[static]response-outparam.set", outparam, {"ok": response})
    assert await all_of(await answer) == b""
    assert (await answer).trailers == ()


@pytest.mark.parametrize("status", [0, 100, 101, 199, 1000])
async def test_a_final_status_is_one(guest: Guest, status: int) -> None:
    response = guest("[constructor]outgoing-response", guest.fields())
    assert guest("[method]outgoing-response.set-status-code", response, status) == ERR
    assert guest("[method]outgoing-response.status-code", response) == 200


async def test_a_guest_may_answer_with_an_error(guest: Guest) -> None:
    _, outparam, answer = incoming(guest.state, HEAD, EmptySource())
    code = {"DNS_error": {"rcode": "NXDOMAIN", "info_code": None}}
    guest("[static]response-outparam.set", outparam, {"err": code})
    with pytest.raises(HttpFailed) as caught:
        await answer
    assert caught.value.code.value == code


@pytest.mark.parametrize("how", ["drops it", "ends"])
async def test_a_guest_that_never_answers_is_noticed(guest: Guest, how: str) -> None:
    _, outparam, answer = incoming(guest.state, HEAD, EmptySource())
    if how == "ends":
        guest.state.close()
    else:
        guest.drop(outparam)
    with pytest.raises(HttpFailed, match="did not answer"):
        await answer


async def test_a_body_that_is_not_finished_fails(guest: Guest) -> None:
    _, outparam, answer = incoming(guest.state, HEAD, EmptySource())
    body = respond(guest, outparam)
    write(guest, guest("[method]outgoing-body.write", body)["ok"], b"half")
    guest.state.close()
    chunks = (await answer).chunks()
    assert await anext(chunks) == b"half"
    with pytest.raises(HttpFailed, match="without finishing"):
        await anext(chunks)


async def test_informational_responses_are_refused_and_the_answer_is_not(guest: Guest) -> None:
    _, outparam, answer = incoming(guest.state, HEAD, EmptySource())
    inform = "[method]response-outparam.send-informational"
    assert "internal_error" in guest(inform, outparam, 103, guest.fields(("link", b"x")))["err"]
    respond(guest, outparam)
    assert (await answer).status == 200


@pytest.mark.parametrize("written", [b"123", b"12345"])
async def test_a_body_is_as_long_as_announced(guest: Guest, written: bytes) -> None:
    _, outparam, answer = incoming(guest.state, HEAD, EmptySource())
    body = respond(guest, outparam, 200, ("Content-Length", b"4"))
    stream = guest("[method]outgoing-body.write", body)["ok"]
    outcome = write(guest, stream, written)
    guest.drop(stream)
    assert guest("[static]outgoing-body.finish", body, None) == {"err": {"HTTP_response_body_size": len(written)}}
    if len(written) > 4:
        error = outcome["err"]["last_operation_failed"]
        assert guest("http-error-code", error) == {"HTTP_response_body_size": 5}
    with pytest.raises(HttpFailed, match="Content-Length is 4"):
        await all_of(await answer)


@pytest.mark.parametrize("values", [(b"x",), (b"1", b"2"), (b"-1",), (b"",), (b"9" * 20,)])
async def test_a_content_length_is_one_number(guest: Guest, values: tuple[bytes, ...]) -> None:
    headers = guest.fields(*(("content-length", value) for value in values))
    response = guest("[constructor]outgoing-response", headers)
    assert guest("[method]outgoing-response.body", response) == ERR


async def test_a_guest_learns_that_nobody_takes_its_body_any_more(guest: Guest) -> None:
    _, outparam, answer = incoming(guest.state, HEAD, EmptySource())
    body = respond(guest, outparam)
    stream = guest("[method]outgoing-body.write", body)["ok"]
    answered = await answer
    assert answered.body is not None
    answered.body.fail(failed(ErrorCase.CONNECTION_TERMINATED))
    error = io.check_write(guest.state, stream)["err"]["last_operation_failed"]
    assert guest("http-error-code", error) == "connection_terminated"


# Requests that go out


def test_without_somebody_to_send_it_a_request_is_denied(guest: Guest) -> None:
    request = guest("[constructor]outgoing-request", guest.fields())
    assert guest("handle", request, None) == {"err": "HTTP_request_denied"}


def test_a_request_is_what_the_guest_makes_it(guest: Guest) -> None:
    request = guest("[constructor]outgoing-request", guest.fields(("a", b"1")))
    of = "[method]outgoing-request."
    assert guest(of + "method", request) == "get"
    for part, value in [
        ("method", "patch"),
        ("method", {"other": "PURGE"}),
        ("path-with-query", "/a?b={c}"),
        ("scheme", "HTTPS"),
        ("scheme", {"other": "coap"}),
        ("authority", "[::1]:80"),
    ]:
        assert guest(f"{of}set-{part}", request, value) == OK
        assert guest(of + part, request) == value
    for part in ("path-with-query", "scheme", "authority"):
        assert guest(f"{of}set-{part}", request, None) == OK
        assert guest(of + part, request) is None
    assert guest.entries(guest(of + "headers", request)) == [("a", b"1")]


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("method", {"other": "GET /"}),
        ("method", {"other": ""}),
        ("scheme", {"other": "ht tp"}),
        ("path-with-query", "/a b"),
        ("path-with-query", "/a\r\nHost: x"),
        ("path-with-query", "//x#f"),
        ("path-with-query", "a"),
        ("authority", "user@example.com"),
        ("authority", "example.com:99999"),
        ("authority", "exa mple.com"),
        ("authority", "example.com/path"),
        ("authority", "[fe80::1%25eth0]"),
        ("authority", ""),
    ],
)
def test_a_wrong_part_of_a_request_is_refused(guest: Guest, part: str, wrong: object) -> None:
    request = guest("[constructor]outgoing-request", guest.fields())
    before = guest(f"[method]outgoing-request.{part}", request)
    assert guest(f"[method]outgoing-request.set-{part}", request, wrong) == ERR
    assert guest(f"[method]outgoing-request.{part}", request) == before


@given(st.text(max_size=20))
def test_no_authority_or_path_has_spaces_controls_or_a_fragment(text: str) -> None:
    if is_authority(text) or is_path(text):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" #\\@<>") or (is_path(text) and set(text) & set(" #\\<>") == set())


def network(guest: Guest, *answers: IncomingResponse | HttpFailed) -> Network:
    guest.state.outgoing = found = Network(*answers)
    return found


def send(guest: Guest) -> int:
    return guest("handle", guest("[constructor]outgoing-request", guest.fields()), None)["ok"]


def response(source: BodySource, status: int = 200) -> IncomingResponse:
    return IncomingResponse(status, [("a", b"1")], source)


async def test_a_response_is_there_once(guest: Guest) -> None:
    world = network(guest, response(Script(b"hello"), 404))
    options = guest("[constructor]request-options")
    guest("[method]request-options.set-first-byte-timeout", options, 5)
    assert guest("[method]request-options.first-byte-timeout", options) == 5
    assert guest("[method]request-options.connect-timeout", options) is None
    future = guest("handle", guest("[constructor]outgoing-request", guest.fields()), options)["ok"]
    get = "[method]future-incoming-response.get"
    assert guest(get, future) is None
    world.gate.set()
    await later(io.block(guest.state, guest("[method]future-incoming-response.subscribe", future)))
    found = guest(get, future)["ok"]["ok"]
    assert guest(get, future) == ERR
    assert guest("[method]incoming-response.status", found) == 404
    assert guest.entries(guest("[method]incoming-response.headers", found)) == [("a", b"1")]
    body = guest("[method]incoming-response.consume", found)["ok"]
    guest.drop(found)
    assert await read_all(guest, guest("[method]incoming-body.stream", body)["ok"]) == b"hello"
    assert world.sent[0][1].first_byte == 5


async def test_a_failure_is_there_once(guest: Guest) -> None:
    network(guest, failed(ErrorCase.CONNECTION_REFUSED)).gate.set()
    future = send(guest)
    await turns()
    assert guest("[method]future-incoming-response.get", future) == {"ok": {"err": "connection_refused"}}
    assert guest("[method]future-incoming-response.get", future) == ERR


async def test_a_future_that_is_dropped_cancels_its_request(guest: Guest) -> None:
    world = network(guest)
    future = send(guest)
    await turns()
    guest.drop(future)
    await turns()
    assert world.cancelled == 1


async def test_a_response_that_nobody_takes_is_closed(guest: Guest) -> None:
    sources = Script(), Script()
    network(guest, *map(response, sources)).gate.set()
    untaken, taken = send(guest), send(guest)
    await turns()
    guest.drop(untaken)
    guest.drop(guest("[method]future-incoming-response.get", taken)["ok"]["ok"])
    await turns()
    assert all(source.closed for source in sources)


# Error codes


@pytest.mark.parametrize("case", list(ErrorCase))
def test_an_error_code_is_what_it_was(case: ErrorCase) -> None:
    code = ErrorCode(case)
    assert ErrorCode.from_value(code.value) == code


def test_an_error_of_something_else_has_no_code(guest: Guest, state: WasiState) -> None:
    assert guest("http-error-code", state.add(io.IoError("disk"))) is None
