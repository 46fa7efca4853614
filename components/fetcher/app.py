"""An activity that makes the HTTP requests it is asked for; tests use it."""

import json
import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import outgoing_handler
from wit_world.imports.streams import InputStream, StreamError_Closed
from wit_world.imports.types import (
    Fields,
    FutureIncomingResponse,
    IncomingBody,
    IncomingResponse,
    Method_Get,
    Method_Post,
    OutgoingBody,
    OutgoingRequest,
    RequestOptions,
    Scheme_Http,
    Scheme_Https,
    http_error_code,
)

CHUNK = 64 * 1024


def send(
    url: str, *, post: bool = False, headers: dict[str, str] | None = None
) -> tuple[FutureIncomingResponse, OutgoingBody]:
    """The response to come, and the body to be written."""
    parts = urlsplit(url)
    request = OutgoingRequest(Fields.from_list([(name, value.encode()) for name, value in (headers or {}).items()]))
    request.set_method(Method_Post() if post else Method_Get())
    request.set_scheme(Scheme_Https() if parts.scheme == "https" else Scheme_Http())
    request.set_authority(parts.netloc)
    request.set_path_with_query(parts.path + ("?" + parts.query if parts.query else ""))
    body = request.body()
    return outgoing_handler.handle(request, RequestOptions()), body


def answer_to(future: FutureIncomingResponse) -> IncomingResponse:
    with future.subscribe() as pollable:
        pollable.block()
    answer = future.get()
    assert isinstance(answer, Ok)
    if isinstance(answer.value, Err):
        raise answer.value
    return answer.value.value


def chunks(stream: InputStream) -> Iterator[bytes]:
    while True:
        try:
            yield stream.blocking_read(CHUNK)
        except Err as error:
            if isinstance(error.value, StreamError_Closed):
                return
            raise Err(http_error_code(error.value.value)) from None


def read(response: IncomingResponse) -> bytes:
    body = response.consume()
    with body.stream() as stream:
        found = b"".join(chunks(stream))
    IncomingBody.finish(body)
    return found


def write(body: OutgoingBody, data: bytes) -> None:
    with body.write() as stream:
        for at in range(0, len(data), CHUNK):
            try:
                stream.blocking_write_and_flush(data[at : at + CHUNK])
            except Err as error:
                raise Err(http_error_code(error.value.value)) from None


def get(url: str, argument: str) -> object:
    future, body = send(url, headers=json.loads(argument or "{}"))
    OutgoingBody.finish(body, None)
    response = answer_to(future)
    return [response.status(), read(response).decode()]


def post(url: str, argument: str) -> object:
    future, body = send(url, post=True)
    write(body, argument.encode())
    OutgoingBody.finish(body, None)
    response = answer_to(future)
    return [response.status(), read(response).decode()]


def download(url: str, argument: str) -> object:
    future, body = send(url)
    OutgoingBody.finish(body, None)
    received = answer_to(future).consume()
    with received.stream() as stream:
        return sum(len(chunk) for chunk in chunks(stream))


def pipe(url: str, argument: str) -> object:
    """What one URL answers is sent to the other."""
    incoming, nothing = send(url)
    OutgoingBody.finish(nothing, None)
    received = answer_to(incoming).consume()
    future, body = send(argument, post=True)
    with received.stream() as source, body.write() as sink:
        while True:
            try:
                sink.blocking_splice(source, CHUNK)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    break
                raise Err(http_error_code(error.value.value)) from None
    OutgoingBody.finish(body, None)
    return len(read(answer_to(future)))


def leak(url: str, argument: str) -> object:
    """Ends with responses, bodies and streams in its hands, one of them never read."""
    future, body = send(url)
    OutgoingBody.finish(body, None)
    response = answer_to(future)
    incoming = response.consume()
    kept = [future, response, incoming, incoming.stream(), send(url), send(url, post=True)]
    return len(kept)


def secret(url: str, argument: str) -> object:
    """Print what it knows of a secret, and what a server tells of it; then trap with it."""
    print("environment", os.environ[argument])
    headers = {"authorization": f"Bearer {os.environ[argument]}"}
    future, body = send(url, headers=headers)
    OutgoingBody.finish(body, None)
    told = read(answer_to(future)).decode()
    print("told", told)
    return told


def secret_elsewhere(url: str, argument: str) -> object:
    return post(url, f"token={os.environ[argument]}")


def trap(url: str, argument: str) -> object:
    os.environ["TOLD"] = str(secret(url, argument))
    raise RuntimeError(f"told {os.environ['TOLD']}")


def many(url: str, argument: str) -> object:
    return [get(url, "")[0] for _ in range(int(argument))]


ACTIONS: dict[str, Callable[[str, str], object]] = {
    "download": download,
    "get": get,
    "leak": leak,
    "many": many,
    "pipe": pipe,
    "post": post,
    "secret": secret,
    "secret-elsewhere": secret_elsewhere,
    "trap": trap,
}


class Fetcher(exports.Fetcher):
    def fetch(self, action: str, url: str, argument: str) -> str:
        try:
            return json.dumps(ACTIONS[action](url, argument))
        except Err as error:
            raise Err(type(error.value).__name__.removeprefix("ErrorCode_")) from None
