import inspect
from collections.abc import Awaitable
from typing import cast

import pytest

from obelisk_runtime.ports.engine import GuestTrap
from obelisk_runtime.testing.world import ScriptedWorld
from obelisk_runtime.wasi import WasiState, cli, clocks, io
from obelisk_runtime.wasi.pollables import ClockPollable
from obelisk_runtime.wasi.state import RESOURCES_MAX, Resource
from obelisk_runtime.wasi.streams import InputStream

OK = {"ok": None}
CLOSED = {"err": "closed"}


def test_output_goes_to_the_world_in_the_order_written(state: WasiState, world: ScriptedWorld) -> None:
    out, err = cli.get_stdout(state), cli.get_stderr(state)
    assert io.check_write(state, out) == {"ok": cli.WRITE_BYTES_MAX}
    assert io.write(state, out, b"one\n") == OK
    assert io.write_and_flush(state, err, b"two\n") == OK
    assert io.write(state, out, b"three\n") == OK
    assert io.flush(state, out) == OK
    assert world.written == [("stdout", b"one\n"), ("stderr", b"two\n"), ("stdout", b"three\n")]


def test_writing_nothing_writes_nothing(state: WasiState, world: ScriptedWorld) -> None:
    assert io.write(state, cli.get_stdout(state), b"") == OK
    assert world.written == []


def test_a_write_that_was_not_permitted_traps(state: WasiState, world: ScriptedWorld) -> None:
    out = cli.get_stdout(state)
    with pytest.raises(GuestTrap, match="1 bytes were written where check-write permitted 0"):
        io.write(state, out, b"x")
    io.check_write(state, out)
    io.write(state, out, bytes(cli.WRITE_BYTES_MAX))
    with pytest.raises(GuestTrap, match="permitted 0"):
        io.write_zeroes(state, out, 1)
    assert len(world.text("stdout")) == cli.WRITE_BYTES_MAX


def test_zeroes_are_written_within_the_same_bound(state: WasiState, world: ScriptedWorld) -> None:
    out = cli.get_stdout(state)
    assert io.write_zeroes_and_flush(state, out, 3) == OK
    assert world.written == [("stdout", b"\0\0\0")]
    with pytest.raises(GuestTrap):
        io.write_zeroes_and_flush(state, out, 2**63)


def test_standard_input_is_closed_and_ready(state: WasiState, world: ScriptedWorld) -> None:
    stdin = cli.get_stdin(state)
    assert io.read(state, stdin, 10) == CLOSED
    assert io.splice(state, cli.get_stdout(state), stdin, 10) == CLOSED
    assert io.poll(state, [io.subscribe_input(state, stdin)]) == [0]
    assert world.waits == []


def test_an_output_stream_is_ready_at_once(state: WasiState, world: ScriptedWorld) -> None:
    pollable = io.subscribe_output(state, cli.get_stdout(state))
    assert io.ready(state, pollable)
    assert io.block(state, pollable) is None
    assert world.waits == []


async def test_a_clock_is_waited_for_through_the_world(state: WasiState, world: ScriptedWorld) -> None:
    pollable = clocks.subscribe_duration(state, 5_000)
    assert not io.ready(state, pollable)
    waiting = io.block(state, pollable)
    assert waiting is not None
    assert await waiting is None
    assert world.waits == [5_000]
    assert io.ready(state, pollable)
    assert io.block(state, pollable) is None


async def test_of_several_clocks_the_world_is_asked_once_for_the_earliest(
    state: WasiState, world: ScriptedWorld
) -> None:
    late, early, same = (clocks.subscribe_duration(state, after) for after in (90, 20, 20))
    assert await answer_of(io.poll(state, [late, early, same])) == [1, 2]
    assert await answer_of(io.poll(state, [late])) == [0]
    assert world.waits == [20, 70]


def test_what_is_ready_is_answered_without_waiting_for_the_rest(state: WasiState, world: ScriptedWorld) -> None:
    clock = clocks.subscribe_duration(state, 1_000)
    stream = io.subscribe_output(state, cli.get_stdout(state))
    assert io.poll(state, [clock, stream, stream]) == [1, 2]
    assert world.waits == []


async def test_a_wait_that_is_over_makes_its_clock_ready_though_the_world_shows_less() -> None:
    world = ScriptedWorld(tick_nanoseconds=999)
    state = WasiState(world)
    pollable = clocks.subscribe_duration(state, 5_000)
    assert await answer_of(io.poll(state, [pollable])) == [0]
    assert world.monotonic() < 5_000
    assert io.poll(state, [pollable]) == [0]
    assert world.waits == [5_000]


async def test_an_instant_in_the_past_and_no_duration_are_ready(state: WasiState, world: ScriptedWorld) -> None:
    await world.wait(50)
    past, none, future = clocks.subscribe_instant(state, 49), clocks.subscribe_duration(state, 0), 51
    assert io.poll(state, [past, none, clocks.subscribe_instant(state, future)]) == [0, 1]


async def test_the_longest_duration_does_not_overflow(state: WasiState, world: ScriptedWorld) -> None:
    await world.wait(50)
    pollable = clocks.subscribe_duration(state, 2**64 - 1)
    assert state.get(pollable, ClockPollable).deadline == 2**64 - 1


def test_polling_nothing_traps(state: WasiState) -> None:
    with pytest.raises(GuestTrap, match="empty list"):
        io.poll(state, [])


def test_handles_are_counted_from_one_and_reused(state: WasiState) -> None:
    first, second, third, fourth, fifth, sixth = (ClockPollable(number) for number in range(6))
    assert [state.add(resource) for resource in (first, second, third)] == [1, 2, 3]
    state.drop(1)
    state.drop(3)
    assert [state.add(resource) for resource in (fourth, fifth, sixth)] == [3, 1, 4]
    assert [state.get(rep, ClockPollable) for rep in (1, 2, 3, 4)] == [fifth, second, fourth, sixth]


def test_a_parent_outlives_its_children_or_the_guest_traps(state: WasiState) -> None:
    stdin = cli.get_stdin(state)
    first, second = io.subscribe_input(state, stdin), io.subscribe_input(state, stdin)
    for child in (first, second):
        with pytest.raises(GuestTrap, match="dropped a InputStream before what it got from it"):
            state.drop(stdin)
        with pytest.raises(GuestTrap, match="gave up a InputStream"):
            state.take(stdin, InputStream)
        state.drop(child)
    state.drop(stdin)


def test_what_the_guest_gave_away_is_no_longer_its_own(state: WasiState) -> None:
    stdin = cli.get_stdin(state)
    stream = state.take(stdin, InputStream)
    assert isinstance(stream, InputStream)
    with pytest.raises(KeyError):
        state.get(stdin, InputStream)


def test_the_end_of_a_guest_closes_what_it_left_children_first(state: WasiState) -> None:
    closed: list[str] = []

    class Left(Resource):
        def __init__(self, name: str) -> None:
            self.name = name

        def close(self) -> None:
            closed.append(self.name)

    parent = state.add(Left("parent"))
    state.add(Left("child"), parent=parent)
    state.close()
    state.close()
    assert closed == ["child", "parent"]


def test_a_guest_that_hoards_handles_traps(state: WasiState) -> None:
    for _ in range(RESOURCES_MAX):
        state.add(Resource())
    with pytest.raises(GuestTrap, match=str(RESOURCES_MAX)):
        cli.get_stdout(state)


async def answer_of(later: list[int] | Awaitable[list[int]]) -> list[int]:
    assert inspect.isawaitable(later)
    return await cast("Awaitable[list[int]]", later)
