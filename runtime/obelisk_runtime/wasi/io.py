"""wasi:io: streams and polling.

Output goes to the guest's world at once, so an output stream is always ready and nothing is left to flush. Standard
input is closed from the start.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.ports.guest import GuestWorld
from obelisk_runtime.wasi.state import Interfaces, WasiState

WRITE_BYTES_MAX = 2 * 1024 * 1024
"""What `check-write` permits; more in one write traps, as the interface demands.

As much as fits well into one host call: unbuffered guests (Python's standard output) lose what goes beyond it.
"""

_CLOSED: Value = {"err": "closed"}
_DONE: Value = {"ok": None}


@dataclass(slots=True)
class Pollable:
    deadline: int
    """Monotonic nanoseconds from which on it is ready; 0 is ready from the start."""

    def remaining(self, now: int) -> int:
        return max(0, self.deadline - now) if self.deadline else 0


@dataclass(slots=True)
class OutputStream:
    source: str
    """`stdout` or `stderr`."""
    permitted: int = 0


class InputStream:
    """A stream that is closed."""

    __slots__ = ()


def ready(state: WasiState, pollable: int) -> bool:
    return state.get(pollable, Pollable).remaining(state.world.monotonic()) == 0


def block(state: WasiState, pollable: int) -> Awaitable[None] | None:
    watched = [state.get(pollable, Pollable)]
    return None if _ready_among(state.world, watched) else _wait(state.world, watched)


def poll(state: WasiState, pollables: Sequence[int]) -> list[int] | Awaitable[list[int]]:
    if not pollables:
        raise GuestTrap("wasi:io/poll.poll of an empty list never ends")
    watched = [state.get(rep, Pollable) for rep in pollables]
    return _ready_among(state.world, watched) or _poll_later(state.world, watched)


async def _poll_later(world: GuestWorld, watched: Sequence[Pollable]) -> list[int]:
    await _wait(world, watched)
    return _ready_among(world, watched)


def _ready_among(world: GuestWorld, watched: Sequence[Pollable]) -> list[int]:
    now = world.monotonic()
    return [index for index, pollable in enumerate(watched) if pollable.remaining(now) == 0]


async def _wait(world: GuestWorld, watched: Sequence[Pollable]) -> None:
    """Wait for the earliest: the world is asked once, since for a workflow that is a durable delay."""
    now = world.monotonic()
    shortest = min(pollable.remaining(now) for pollable in watched)
    due = [pollable for pollable in watched if pollable.remaining(now) == shortest]
    await world.wait(shortest)
    for pollable in due:
        # The wait decides, not the clock: a coarser clock may still be a little before the deadline.
        pollable.deadline = 0


def subscribe(state: WasiState, stream: int) -> int:
    """Streams never make a guest wait: they are written at once, or closed."""
    del stream
    return state.add(Pollable(deadline=0))


def read(state: WasiState, stream: int, length: int) -> Value:
    del state, stream, length
    return _CLOSED


def check_write(state: WasiState, stream: int) -> Value:
    state.get(stream, OutputStream).permitted = WRITE_BYTES_MAX
    return {"ok": WRITE_BYTES_MAX}


def write(state: WasiState, stream: int, contents: bytes) -> Value:
    _spend(state.get(stream, OutputStream), len(contents))
    return write_and_flush(state, stream, contents)


def write_and_flush(state: WasiState, stream: int, contents: bytes) -> Value:
    if contents:
        state.world.write(state.get(stream, OutputStream).source, contents)
    return _DONE


def flush(state: WasiState, stream: int) -> Value:
    del state, stream
    return _DONE


def write_zeroes(state: WasiState, stream: int, length: int) -> Value:
    _spend(state.get(stream, OutputStream), length)
    return write_and_flush(state, stream, bytes(length))


def write_zeroes_and_flush(state: WasiState, stream: int, length: int) -> Value:
    check_write(state, stream)
    return write_zeroes(state, stream, length)


def splice(state: WasiState, stream: int, source: int, length: int) -> Value:
    del stream
    return read(state, source, length)


def _spend(stream: OutputStream, count: int) -> None:
    if count > stream.permitted:
        raise GuestTrap(f"{count} bytes written to {stream.source} where check-write permitted {stream.permitted}")
    stream.permitted -= count


_IN = "self: borrow<input-stream>"
_OUT = "self: borrow<output-stream>"
_ERROR = "variant { last-operation-failed(own<error>), closed }"

INTERFACES: Interfaces = {
    "error": {},
    "poll": {
        "[method]pollable.ready: func(self: borrow<pollable>) -> bool": ready,
        "[method]pollable.block: func(self: borrow<pollable>)": block,
        "poll: func(in: list<borrow<pollable>>) -> list<u32>": poll,
    },
    "streams": {
        f"[method]input-stream.read: func({_IN}, len: u64) -> result<list<u8>, {_ERROR}>": read,
        f"[method]input-stream.blocking-read: func({_IN}, len: u64) -> result<list<u8>, {_ERROR}>": read,
        f"[method]input-stream.skip: func({_IN}, len: u64) -> result<u64, {_ERROR}>": read,
        f"[method]input-stream.blocking-skip: func({_IN}, len: u64) -> result<u64, {_ERROR}>": read,
        f"[method]input-stream.subscribe: func({_IN}) -> own<pollable>": subscribe,
        f"[method]output-stream.check-write: func({_OUT}) -> result<u64, {_ERROR}>": check_write,
        f"[method]output-stream.write: func({_OUT}, contents: list<u8>) -> result<_, {_ERROR}>": write,
        f"[method]output-stream.blocking-write-and-flush: func({_OUT}, contents: list<u8>) -> result<_, {_ERROR}>": (
            write_and_flush
        ),
        f"[method]output-stream.flush: func({_OUT}) -> result<_, {_ERROR}>": flush,
        f"[method]output-stream.blocking-flush: func({_OUT}) -> result<_, {_ERROR}>": flush,
        f"[method]output-stream.subscribe: func({_OUT}) -> own<pollable>": subscribe,
        f"[method]output-stream.write-zeroes: func({_OUT}, len: u64) -> result<_, {_ERROR}>": write_zeroes,
        f"[method]output-stream.blocking-write-zeroes-and-flush: func({_OUT}, len: u64) -> result<_, {_ERROR}>": (
            write_zeroes_and_flush
        ),
        f"[method]output-stream.splice: func({_OUT}, src: borrow<input-stream>, len: u64) -> result<u64, {_ERROR}>": (
            splice
        ),
        f"[method]output-stream.blocking-splice: func({_OUT}, src: borrow<input-stream>, len: u64)"
        f" -> result<u64, {_ERROR}>": splice,
    },
}
