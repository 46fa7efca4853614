"""Streams between a guest and coroutines of the host."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from obelisk_runtime.ports.engine import GuestTrap
from obelisk_runtime.testing.world import ScriptedWorld
from obelisk_runtime.wasi import WasiState, cli, clocks, io
from obelisk_runtime.wasi.streams import (
    READ_BYTES_MAX,
    BufferedOutputStream,
    IoError,
    OutputStream,
    SourceStream,
    StreamFailed,
)

OK = {"ok": None}
CLOSED = {"err": "closed"}


def source(*chunks: bytes | Exception, gate: asyncio.Event | None = None) -> Callable[[], Awaitable[bytes]]:
    """One chunk for each call, then the end; with a gate, after it has opened."""
    left = list(chunks)

    async def pull() -> bytes:
        if gate is not None:
            await gate.wait()
        chunk = left.pop(0) if left else b""
        if isinstance(chunk, Exception):
            raise chunk
        return chunk

    return pull


async def later(answer: Any) -> Any:
    assert isinstance(answer, Awaitable)
    return await answer


def failed(state: WasiState, answer: Any) -> str:
    """What the error of an answer says."""
    return io.to_debug_string(state, answer["err"]["last_operation_failed"])


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# Reading


async def test_bytes_come_in_order_and_in_pieces_as_asked_for(state: WasiState) -> None:
    stream = state.add(SourceStream(source(b"abcdef", b"gh")))
    assert io.read(state, stream, 4) == {"ok": b""}
    assert await later(io.blocking_read(state, stream, 4)) == {"ok": b"abcd"}
    assert io.read(state, stream, 10) == {"ok": b"ef"}
    assert await later(io.blocking_read(state, stream, 10)) == {"ok": b"gh"}
    assert await later(io.blocking_read(state, stream, 10)) == CLOSED
    assert io.read(state, stream, 1) == CLOSED


async def test_nothing_is_asked_for_before_the_guest_wants_something_and_no_more_than_one_piece_ahead() -> None:
    asked: list[int] = []

    async def pull() -> bytes:
        asked.append(len(asked))
        return b"x"

    state = WasiState(ScriptedWorld())
    stream = state.add(SourceStream(pull))
    await turns()
    assert asked == []
    assert io.read(state, stream, 1) == {"ok": b""}
    await turns()
    assert asked == [0]
    assert io.read(state, stream, 1) == {"ok": b"x"}
    await turns()
    assert asked == [0]


async def test_one_read_is_bounded_whatever_the_guest_asks_for(state: WasiState) -> None:
    stream = state.add(SourceStream(source(bytes(READ_BYTES_MAX + 1))))
    assert len((await later(io.blocking_read(state, stream, 2**63)))["ok"]) == READ_BYTES_MAX
    assert io.read(state, stream, 2**63) == {"ok": b"\0"}


async def test_reading_nothing_never_waits(state: WasiState) -> None:
    stream = state.add(SourceStream(source(gate=asyncio.Event())))
    assert io.blocking_read(state, stream, 0) == {"ok": b""}
    assert io.blocking_skip(state, stream, 0) == {"ok": 0}
    state.close()


async def test_skipping_counts_what_it_skips(state: WasiState) -> None:
    stream = state.add(SourceStream(source(b"abcdef")))
    assert io.skip(state, stream, 2) == {"ok": 0}
    assert await later(io.blocking_skip(state, stream, 2)) == {"ok": 2}
    assert io.skip(state, stream, 3) == {"ok": 3}
    assert io.blocking_read(state, stream, 9) == {"ok": b"f"}


async def test_a_failing_source_is_told_once_and_then_closed(state: WasiState) -> None:
    stream = state.add(SourceStream(source(b"a", StreamFailed(IoError("the disk is on fire")))))
    assert await later(io.blocking_read(state, stream, 9)) == {"ok": b"a"}
    assert failed(state, await later(io.blocking_read(state, stream, 9))) == "the disk is on fire"
    assert io.read(state, stream, 9) == CLOSED


async def test_a_bug_of_a_source_does_not_leave_the_guest_waiting(state: WasiState) -> None:
    stream = state.add(SourceStream(source(ZeroDivisionError())))
    with pytest.raises(ZeroDivisionError):
        await later(io.blocking_read(state, stream, 9))


async def test_dropping_a_stream_cancels_what_it_asked_for(state: WasiState) -> None:
    cancelled = asyncio.Event()

    async def pull() -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return b""

    stream = state.add(SourceStream(pull))
    io.read(state, stream, 1)
    await turns()
    state.drop(stream)
    await cancelled.wait()


async def test_a_pollable_of_an_input_is_ready_when_bytes_or_the_end_are_there(state: WasiState) -> None:
    gate = asyncio.Event()
    stream = state.add(SourceStream(source(b"a", gate=gate)))
    pollable = io.subscribe_input(state, stream)
    assert not io.ready(state, pollable)
    waiting = asyncio.ensure_future(later(io.block(state, pollable)))
    await turns()
    assert not waiting.done()
    gate.set()
    await waiting
    assert io.read(state, stream, 1) == {"ok": b"a"}
    assert not io.ready(state, pollable)
    assert await later(io.poll(state, [pollable])) == [0]
    assert io.read(state, stream, 1) == CLOSED


# Writing


async def taken(stream: BufferedOutputStream) -> bytes:
    return b"".join([chunk async for chunk in stream.chunks()])


async def test_what_is_written_arrives_and_ends_with_the_drop(state: WasiState) -> None:
    stream = BufferedOutputStream(10)
    rep = state.add(stream)
    taking = asyncio.ensure_future(taken(stream))
    assert io.check_write(state, rep) == {"ok": 10}
    assert io.write(state, rep, b"abc") == OK
    await turns()
    assert io.check_write(state, rep) == {"ok": 10}
    assert io.write_zeroes(state, rep, 2) == OK
    state.drop(rep)
    assert await taking == b"abc\0\0"


async def test_a_guest_writes_no_more_than_the_host_has_room_for(state: WasiState) -> None:
    stream = BufferedOutputStream(4)
    rep = state.add(stream)
    assert io.check_write(state, rep) == {"ok": 4}
    assert io.write(state, rep, b"abcd") == OK
    assert io.check_write(state, rep) == {"ok": 0}
    with pytest.raises(GuestTrap, match="1 bytes were written where check-write permitted 0"):
        io.write(state, rep, b"e")
    pollable = io.subscribe_output(state, rep)
    assert not io.ready(state, pollable)
    chunks = stream.chunks()
    assert await anext(chunks) == b"abcd"
    assert not io.ready(state, pollable)
    waiting = asyncio.ensure_future(anext(chunks, None))
    await turns()
    assert io.ready(state, pollable)
    assert io.check_write(state, rep) == {"ok": 4}
    state.drop(pollable)
    state.drop(rep)
    assert await waiting is None


async def test_a_flush_leaves_no_room_until_the_host_is_done_with_everything(state: WasiState) -> None:
    stream = BufferedOutputStream(4)
    rep = state.add(stream)
    io.check_write(state, rep)
    io.write(state, rep, b"ab")
    assert io.flush(state, rep) == OK
    assert io.check_write(state, rep) == {"ok": 0}
    flushing = asyncio.ensure_future(later(io.blocking_flush(state, rep)))
    chunks = stream.chunks()
    assert await anext(chunks) == b"ab"
    await turns()
    assert not flushing.done()
    last = asyncio.ensure_future(anext(chunks, None))
    assert await flushing == OK
    assert io.check_write(state, rep) == {"ok": 4}
    state.drop(rep)
    assert await last is None


async def test_a_flush_with_nothing_to_hand_on_is_done_at_once(state: WasiState) -> None:
    rep = state.add(BufferedOutputStream(4))
    assert io.flush(state, rep) == OK
    assert io.blocking_flush(state, rep) == OK
    assert io.check_write(state, rep) == {"ok": 4}


@pytest.mark.parametrize("zeroes", [False, True])
async def test_a_blocking_write_is_as_long_as_wished_and_waits_for_the_host(state: WasiState, zeroes: bool) -> None:
    stream = BufferedOutputStream(4)
    rep = state.add(stream)
    answer = io.write_zeroes_and_flush(state, rep, 10) if zeroes else io.write_and_flush(state, rep, b"0123456789")
    chunks = [chunk async for chunk in take_while(stream, asyncio.ensure_future(later(answer)))]
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert b"".join(chunks) == (bytes(10) if zeroes else b"0123456789")


async def take_while(stream: BufferedOutputStream, writing: "asyncio.Future[Any]") -> Any:
    writing.add_done_callback(lambda _: stream.close())
    async for chunk in stream.chunks():
        yield chunk
    assert await writing == OK


async def test_a_host_that_fails_is_told_once_and_then_closed(state: WasiState) -> None:
    stream = BufferedOutputStream(4)
    rep = state.add(stream)
    io.check_write(state, rep)
    io.write(state, rep, b"abcd")
    writing = asyncio.ensure_future(later(io.write_and_flush(state, rep, b"e")))
    await turns()
    stream.fail(IoError("connection reset"))
    assert failed(state, await writing) == "connection reset"
    assert io.check_write(state, rep) == CLOSED
    assert io.flush(state, rep) == CLOSED
    assert io.write_and_flush(state, rep, b"x") == CLOSED
    assert io.ready(state, io.subscribe_output(state, rep))


# From one to the other


async def test_a_splice_moves_what_is_there_and_has_room(state: WasiState) -> None:
    inputs, stream = state.add(SourceStream(source(b"abcdef"))), BufferedOutputStream(4)
    output = state.add(stream)
    assert io.splice(state, output, inputs, 9) == {"ok": 0}
    assert await later(io.blocking_splice(state, output, inputs, 9)) == {"ok": 4}
    assert io.splice(state, output, inputs, 9) == {"ok": 0}
    moving = asyncio.ensure_future(later(io.blocking_splice(state, output, inputs, 9)))
    chunks = stream.chunks()
    assert await anext(chunks) == b"abcd"
    assert await anext(chunks) == b"ef"
    assert await moving == {"ok": 2}
    assert io.blocking_splice(state, output, inputs, 0) == {"ok": 0}


async def test_a_splice_tells_the_end_of_either_stream(state: WasiState) -> None:
    empty, stdout = state.add(SourceStream(source())), cli.get_stdout(state)
    assert await later(io.blocking_splice(state, stdout, empty, 9)) == CLOSED
    assert io.splice(state, state.add(OutputStream()), state.add(SourceStream(source(b"a"))), 9) == CLOSED


# Polling over kinds


async def test_a_poll_of_clocks_and_streams_ends_with_the_first(state: WasiState, world: ScriptedWorld) -> None:
    gate = asyncio.Event()
    stream = io.subscribe_input(state, state.add(SourceStream(source(b"a", gate=gate))))
    clock = clocks.subscribe_duration(state, 500)
    assert await later(io.poll(state, [stream, clock])) == [1]
    assert world.waits == [500]


async def test_bytes_end_a_poll_whose_clock_is_far_away() -> None:
    class Patient(ScriptedWorld):
        cancelled = False

        async def wait(self, nanoseconds: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled = True

    world, gate = Patient(), asyncio.Event()
    state = WasiState(world)
    stream = io.subscribe_input(state, state.add(SourceStream(source(b"a", gate=gate))))
    clock = clocks.subscribe_duration(state, 500)
    polling = asyncio.ensure_future(later(io.poll(state, [clock, stream])))
    await turns()
    gate.set()
    assert await polling == [1]
    await turns()
    assert world.cancelled
