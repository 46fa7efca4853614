"""wasi:io: errors, polling, and the functions of streams."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.wasi.pollables import Pollable, SubjectPollable, until_any, until_ready
from obelisk_runtime.wasi.state import Interfaces, WasiState
from obelisk_runtime.wasi.streams import READ_BYTES_MAX, InputStream, IoError, OutputStream, StreamClosed, StreamFailed

ZEROES_BYTES_MAX = 2 * 1024 * 1024
"""In one blocking call; more traps."""

_CLOSED: Value = {"err": "closed"}
_DONE: Value = {"ok": None}


def to_debug_string(state: WasiState, error: int) -> str:
    return state.get(error, IoError).message


def ready(state: WasiState, pollable: int) -> bool:
    return state.get(pollable, Pollable).ready(state.world)


def block(state: WasiState, pollable: int) -> Awaitable[None] | None:
    watched = state.get(pollable, Pollable)
    return None if watched.ready(state.world) else until_any(state.world, [watched])


def poll(state: WasiState, pollables: Sequence[int]) -> list[int] | Awaitable[list[int]]:
    if not pollables:
        raise GuestTrap("wasi:io/poll.poll of an empty list never ends")
    watched = [state.get(rep, Pollable) for rep in pollables]
    return _ready_among(state, watched) or _poll_later(state, watched)


async def _poll_later(state: WasiState, watched: Sequence[Pollable]) -> list[int]:
    await until_any(state.world, watched)
    return _ready_among(state, watched)


def _ready_among(state: WasiState, watched: Sequence[Pollable]) -> list[int]:
    return [index for index, pollable in enumerate(watched) if pollable.ready(state.world)]


def subscribe_input(state: WasiState, stream: int) -> int:
    return state.add(SubjectPollable(state.get(stream, InputStream)), parent=stream)


def subscribe_output(state: WasiState, stream: int) -> int:
    return state.add(SubjectPollable(state.get(stream, OutputStream)), parent=stream)


def answered(state: WasiState, operation: Callable[..., Value], *arguments: object) -> Value:
    """The result of an operation on a stream, as the guest gets it."""
    try:
        return {"ok": operation(*arguments)}
    except (StreamClosed, StreamFailed) as reason:
        return _error(state, reason)


async def answered_later(
    state: WasiState, operation: Callable[..., Coroutine[Any, Any, Value]], *arguments: Any
) -> Value:
    """The operation is called here, so that nothing of it is left if this is cancelled before it begins."""
    try:
        return {"ok": await operation(*arguments)}
    except (StreamClosed, StreamFailed) as reason:
        return _error(state, reason)


def _error(state: WasiState, reason: StreamClosed | StreamFailed) -> Value:
    return _CLOSED if isinstance(reason, StreamClosed) else {"err": {"last_operation_failed": state.add(reason.error)}}


def read(state: WasiState, stream: int, length: int) -> Value | Awaitable[Value]:
    source = state.get(stream, InputStream)
    return blocking_read(state, stream, length) if source.prompt else _read_now(state, source, length)


def _read_now(state: WasiState, source: InputStream, length: int) -> Value:
    return answered(state, source.read, min(length, READ_BYTES_MAX))


def blocking_read(state: WasiState, stream: int, length: int) -> Value | Awaitable[Value]:
    source = state.get(stream, InputStream)
    if not length or source.ready():
        return _read_now(state, source, length)
    return answered_later(state, _read_later, source, length)


async def _read_later(source: InputStream, length: int) -> bytes:
    await until_ready(source)
    return source.read(min(length, READ_BYTES_MAX))


def skip(state: WasiState, stream: int, length: int) -> Value:
    return answered(state, _skip, state.get(stream, InputStream), length)


def _skip(source: InputStream, length: int) -> int:
    return len(source.read(min(length, READ_BYTES_MAX)))


def blocking_skip(state: WasiState, stream: int, length: int) -> Value | Awaitable[Value]:
    source = state.get(stream, InputStream)
    if not length or source.ready():
        return skip(state, stream, length)
    return answered_later(state, _skip_later, source, length)


async def _skip_later(source: InputStream, length: int) -> int:
    return len(await _read_later(source, length))


def check_write(state: WasiState, stream: int) -> Value:
    return answered(state, _permit, state.get(stream, OutputStream))


def _permit(stream: OutputStream) -> int:
    stream.permitted = room = stream.room()
    return room


def write(state: WasiState, stream: int, contents: bytes) -> Value:
    output = state.get(stream, OutputStream)
    _spend(output, len(contents))
    return answered(state, _put, output, contents)


def write_zeroes(state: WasiState, stream: int, length: int) -> Value:
    output = state.get(stream, OutputStream)
    _spend(output, length)
    return answered(state, _put, output, bytes(length))


def _spend(output: OutputStream, count: int) -> None:
    if count > output.permitted:
        raise GuestTrap(f"{count} bytes were written where check-write permitted {output.permitted}")
    output.permitted -= count


def _put(output: OutputStream, contents: bytes) -> None:
    if contents:
        output.write(contents)


def write_and_flush(state: WasiState, stream: int, contents: bytes) -> Value | Awaitable[Value]:
    """Also of more than the 4096 bytes that the interface speaks of."""
    output = state.get(stream, OutputStream)
    try:
        if output.ready() and len(contents) <= output.room():
            _put(output, contents)
            output.flush()
            contents = b""
            if output.ready():
                output.room()
                return _DONE
    except (StreamClosed, StreamFailed) as reason:
        return _error(state, reason)
    return answered_later(state, _write_all, output, contents)


def write_zeroes_and_flush(state: WasiState, stream: int, length: int) -> Value | Awaitable[Value]:
    if length > ZEROES_BYTES_MAX:
        raise GuestTrap(f"{length} zeroes were to be written at once; the most is {ZEROES_BYTES_MAX}")
    return write_and_flush(state, stream, bytes(length))


async def _write_all(output: OutputStream, contents: bytes) -> None:
    """Write, flush, and wait until that is done."""
    while contents:
        await until_ready(output)
        room = output.room()
        output.write(contents[:room])
        contents = contents[room:]
    output.flush()
    await until_ready(output)
    output.room()


def flush(state: WasiState, stream: int) -> Value:
    return answered(state, state.get(stream, OutputStream).flush)


def blocking_flush(state: WasiState, stream: int) -> Value | Awaitable[Value]:
    return write_and_flush(state, stream, b"")


def splice(state: WasiState, stream: int, source: int, length: int) -> Value:
    return answered(state, _splice, state.get(stream, OutputStream), state.get(source, InputStream), length)


def _splice(output: OutputStream, source: InputStream, length: int) -> int:
    room = min(length, output.room(), READ_BYTES_MAX)
    contents = source.read(room) if room else b""
    _put(output, contents)
    return len(contents)


def blocking_splice(state: WasiState, stream: int, source: int, length: int) -> Value | Awaitable[Value]:
    output, input_ = state.get(stream, OutputStream), state.get(source, InputStream)
    if not length or (output.ready() and input_.ready()):
        return splice(state, stream, source, length)
    return answered_later(state, _splice_later, output, input_, length)


async def _splice_later(output: OutputStream, source: InputStream, length: int) -> int:
    while not (output.ready() and source.ready()):
        await until_ready(source if output.ready() else output)
    return _splice(output, source, length)


_IN = "self: borrow<input-stream>"
_OUT = "self: borrow<output-stream>"
_SPLICE = f"{_OUT}, src: borrow<input-stream>, len: u64"
_ERROR = "variant { last-operation-failed(own<error>), closed }"

INTERFACES: Interfaces = {
    "error": {"[method]error.to-debug-string: func(self: borrow<error>) -> string": to_debug_string},
    "poll": {
        "[method]pollable.ready: func(self: borrow<pollable>) -> bool": ready,
        "[method]pollable.block: func(self: borrow<pollable>)": block,
        "poll: func(in: list<borrow<pollable>>) -> list<u32>": poll,
    },
    "streams": {
        f"[method]input-stream.read: func({_IN}, len: u64) -> result<list<u8>, {_ERROR}>": read,
        f"[method]input-stream.blocking-read: func({_IN}, len: u64) -> result<list<u8>, {_ERROR}>": blocking_read,
        f"[method]input-stream.skip: func({_IN}, len: u64) -> result<u64, {_ERROR}>": skip,
        f"[method]input-stream.blocking-skip: func({_IN}, len: u64) -> result<u64, {_ERROR}>": blocking_skip,
        f"[method]input-stream.subscribe: func({_IN}) -> own<pollable>": subscribe_input,
        f"[method]output-stream.check-write: func({_OUT}) -> result<u64, {_ERROR}>": check_write,
        f"[method]output-stream.write: func({_OUT}, contents: list<u8>) -> result<_, {_ERROR}>": write,
        f"[method]output-stream.blocking-write-and-flush: func({_OUT}, contents: list<u8>) -> result<_, {_ERROR}>": (
            write_and_flush
        ),
        f"[method]output-stream.flush: func({_OUT}) -> result<_, {_ERROR}>": flush,
        f"[method]output-stream.blocking-flush: func({_OUT}) -> result<_, {_ERROR}>": blocking_flush,
        f"[method]output-stream.subscribe: func({_OUT}) -> own<pollable>": subscribe_output,
        f"[method]output-stream.write-zeroes: func({_OUT}, len: u64) -> result<_, {_ERROR}>": write_zeroes,
        f"[method]output-stream.blocking-write-zeroes-and-flush: func({_OUT}, len: u64) -> result<_, {_ERROR}>": (
            write_zeroes_and_flush
        ),
        f"[method]output-stream.splice: func({_SPLICE}) -> result<u64, {_ERROR}>": splice,
        f"[method]output-stream.blocking-splice: func({_SPLICE}) -> result<u64, {_ERROR}>": blocking_splice,
    },
}
