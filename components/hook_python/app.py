"""A handler of HTTP requests that does what the last segment of the path says; tests use it."""

import json
import time

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import log, testing_fibo_fibo, testing_fibo_obelisk_schedule_fibo, webhook_support
from wit_world.imports.execution import ExecutionId, Function
from wit_world.imports.streams import InputStream, StreamError_Closed
from wit_world.imports.time import Duration_Days, ScheduleAt_In, ScheduleAt_Now
from wit_world.imports.types import (
    ErrorCode_InternalError,
    Fields,
    IncomingRequest,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

FIBO = Function("testing:fibo/fibo", "fibo")
CHUNK = 4096


class Exchange:
    """A request and its one answer."""

    def __init__(self, request: IncomingRequest, outparam: ResponseOutparam) -> None:
        self.request = request
        self.outparam = outparam
        path, _, query = (request.path_with_query() or "").partition("?")
        self.action = path.rpartition("/")[2]
        self.argument = query

    def begin(self, status: int = 200, **headers: str) -> OutgoingBody:
        fields = Fields.from_list([(name.replace("_", "-"), value.encode()) for name, value in headers.items()])
        response = OutgoingResponse(fields)
        response.set_status_code(status)
        body = response.body()
        ResponseOutparam.set(self.outparam, Ok(response))
        return body

    def answer(self, value: object, status: int = 200) -> None:
        body = self.begin(status, content_type="application/json")
        write(body, json.dumps(value).encode())
        OutgoingBody.finish(body, None)


def write(body: OutgoingBody, data: bytes) -> None:
    with body.write() as stream:
        for at in range(0, len(data), CHUNK):
            stream.blocking_write_and_flush(data[at : at + CHUNK])


def chunks(stream: InputStream):
    while True:
        try:
            yield stream.blocking_read(64 * 1024)
        except Err as error:
            if isinstance(error.value, StreamError_Closed):
                return
            raise RuntimeError(error.value.value.to_debug_string()) from error


def ping(exchange: Exchange) -> None:
    exchange.answer("pong")


def seen(exchange: Exchange) -> None:
    request = exchange.request
    headers = [[name, value.decode()] for name, value in request.headers().entries()]
    exchange.answer(
        {
            "method": type(request.method()).__name__,
            "path": request.path_with_query(),
            "authority": request.authority(),
            "scheme": type(request.scheme()).__name__,
            "headers": headers,
        }
    )


def echo(exchange: Exchange) -> None:
    """Both ways at the same time."""
    received = exchange.request.consume()
    body = exchange.begin()
    with received.stream() as source, body.write() as sink:
        for chunk in chunks(source):
            for at in range(0, len(chunk), CHUNK):
                sink.blocking_write_and_flush(chunk[at : at + CHUNK])
    OutgoingBody.finish(body, None)


def size(exchange: Exchange) -> None:
    received = exchange.request.consume()
    with received.stream() as source:
        total = sum(len(chunk) for chunk in chunks(source))
    exchange.answer(total)


def flood(exchange: Exchange) -> None:
    body = exchange.begin()
    with body.write() as sink:
        for _ in range(int(exchange.argument)):
            sink.blocking_write_and_flush(bytes(CHUNK))
    OutgoingBody.finish(body, None)


def fibo(exchange: Exchange) -> None:
    value = testing_fibo_fibo.fibo(int(exchange.argument))
    last = webhook_support.last_direct_call_id()
    exchange.answer({"value": value, "me": webhook_support.execution_id_current().id, "child": last and last.id})


def fibo_twice(exchange: Exchange) -> None:
    exchange.answer([testing_fibo_fibo.fibo(10), testing_fibo_fibo.fibo(11)])


def schedule(exchange: Exchange) -> None:
    at = ScheduleAt_In(Duration_Days(1)) if exchange.argument == "later" else ScheduleAt_Now()
    exchange.answer(testing_fibo_obelisk_schedule_fibo.fibo_schedule(at, 10).id, 202)


def call_json(exchange: Exchange) -> None:
    interface, _, function = exchange.argument.rpartition(".")
    result = webhook_support.call_json(Function(interface, function), "[10]")
    exchange.answer({type(result).__name__: result.value})


def schedule_json(exchange: Exchange) -> None:
    generated = webhook_support.execution_id_generate()
    webhook_support.schedule_json(generated, ScheduleAt_Now(), FIBO, "[10]")
    webhook_support.schedule_json(generated, ScheduleAt_Now(), FIBO, "[10]")
    exchange.answer(generated.id)


def status(exchange: Exchange) -> None:
    found = webhook_support.get_status(ExecutionId(exchange.argument))
    exchange.answer([type(found).__name__, type(getattr(found, "value", None)).__name__])


def get(exchange: Exchange) -> None:
    result = webhook_support.get(ExecutionId(exchange.argument))
    exchange.answer({type(result).__name__: result.value})


def try_get(exchange: Exchange) -> None:
    result = webhook_support.try_get(ExecutionId(exchange.argument))
    exchange.answer({type(result).__name__: result.value})


def failure(exchange: Exchange) -> None:
    kind = webhook_support.get_execution_failure_kind(ExecutionId(exchange.argument))
    exchange.answer(None if kind is None else kind.name)


def trap(exchange: Exchange) -> None:
    print("before the trap")
    raise RuntimeError("as asked")


def trap_after(exchange: Exchange) -> None:
    testing_fibo_fibo.fibo(10)
    raise RuntimeError("as asked")


def silent(exchange: Exchange) -> None:
    """Answers nothing."""


def error(exchange: Exchange) -> None:
    ResponseOutparam.set(exchange.outparam, Err(ErrorCode_InternalError("as asked")))


def twice(exchange: Exchange) -> None:
    exchange.answer(1)
    ResponseOutparam.set(exchange.outparam, Ok(OutgoingResponse(Fields())))


def unfinished(exchange: Exchange) -> None:
    write(exchange.begin(), b"a part")


def short(exchange: Exchange) -> None:
    body = exchange.begin(content_length="10")
    write(body, b"a part")
    OutgoingBody.finish(body, None)


def leak(exchange: Exchange) -> None:
    """Ends with streams and bodies in its hands."""
    body = exchange.request.consume()
    kept = [body, body.stream(), Fields()]
    exchange.answer("leaked")
    log.info(str(len(kept)))


def read(exchange: Exchange) -> None:
    try:
        with open(exchange.argument, encoding="utf-8") as file:  # noqa: PTH123  as most programs do it
            exchange.answer(file.read())
    except OSError as error:
        exchange.answer(type(error).__name__, 404)


def sleep(exchange: Exchange) -> None:
    time.sleep(float(exchange.argument))
    exchange.answer("slept")


def spin(exchange: Exchange) -> None:
    while True:
        pass


def linger(exchange: Exchange) -> None:
    exchange.answer("answered")
    time.sleep(float(exchange.argument))
    testing_fibo_obelisk_schedule_fibo.fibo_schedule(ScheduleAt_Now(), 1)


def nothing(exchange: Exchange) -> None:
    OutgoingBody.finish(exchange.begin(204), None)


def write_logs(exchange: Exchange) -> None:
    print("one")
    log.warn("two")
    if exchange.argument == "execution":
        testing_fibo_fibo.fibo(1)
    print("three")
    exchange.answer("written")


ACTIONS = {
    "echo": echo, "error": error, "failure": failure, "fibo": fibo, "fibo-twice": fibo_twice, "flood": flood,
    "get": get, "leak": leak, "linger": linger, "call-json": call_json, "logs": write_logs, "nothing": nothing,
    "ping": ping, "schedule": schedule, "schedule-json": schedule_json, "seen": seen, "short": short, "silent": silent,
    "read": read, "size": size, "sleep": sleep, "spin": spin, "status": status, "trap": trap, "trap-after": trap_after,
    "try-get": try_get, "twice": twice, "unfinished": unfinished,
}  # fmt: skip


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        exchange = Exchange(request, response_out)
        try:
            ACTIONS.get(exchange.action, ping)(exchange)
        except Err as refused:
            exchange.answer([type(refused.value).__name__, getattr(refused.value, "value", None)], 400)
