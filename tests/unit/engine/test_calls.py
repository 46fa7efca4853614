"""Calls of guests: how they run, wait, compute, and end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core.guest_outcomes import (
    Dropped,
    GuestOutcome,
    HostFailed,
    OutOfFuel,
    Returned,
    TimedOut,
    Trapped,
)
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.engine.call import _cause
from obelisk_runtime.ports.engine import GuestExit, GuestLimits, GuestsExhausted, GuestTrap

LIMITS = GuestLimits()
ON_LOOP = GuestLimits(may_use_threads=False)
BOTH = pytest.mark.parametrize("limits", [LIMITS, ON_LOOP], ids=["threads", "loop"])
LONG = 80_000_000
"""Iterations that take several slices."""


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - another thread makes it true
            await asyncio.sleep(0.005)


async def test_a_short_guest_ends_in_its_first_poll(start: Any) -> None:
    call = await start("run", 4)
    assert call.poll() == Returned(12)
    assert await call.wait() == Returned(12)


async def test_the_host_function_gets_the_context_of_its_call(start: Any) -> None:
    seen: list[object] = []

    def step(context: object, arguments: tuple[int]) -> int:
        seen.append((context, arguments))
        return 0

    await (await start("run", 2, step=step, context="mine")).wait()
    assert seen == [("mine", (0,)), ("mine", (1,))]


@BOTH
async def test_a_guest_waits_for_a_future_of_the_host(start: Any, limits: GuestLimits) -> None:
    futures: list[asyncio.Future[int]] = []

    def step(_context: object, _arguments: tuple[int]) -> asyncio.Future[int]:
        futures.append(asyncio.get_running_loop().create_future())
        return futures[-1]

    call = await start("run", 2, step=step, limits=limits)
    assert call.poll() is None
    assert len(futures) == 1
    waiting = asyncio.create_task(call.wait())
    await asyncio.sleep(0)
    futures[0].set_result(5)
    await asyncio.sleep(0)
    futures[1].set_result(6)
    assert await waiting == Returned(11)


@BOTH
async def test_a_guest_waits_for_a_coroutine_of_the_host(start: Any, limits: GuestLimits) -> None:
    async def step(_context: object, arguments: tuple[int]) -> int:
        await asyncio.sleep(0)
        return arguments[0] * 3

    assert await (await start("run", 4, step=step, limits=limits)).wait() == Returned(18)


@BOTH
async def test_a_guest_that_computes_long_leaves_the_loop_responsive(start: Any, limits: GuestLimits) -> None:
    call = await start("spin", LONG, limits=limits)
    waiting, turns = asyncio.create_task(call.wait()), 0
    while not waiting.done():
        await asyncio.sleep(0)
        turns += 1
    assert waiting.result() == Returned(LONG)
    assert turns > 3


@BOTH
async def test_host_functions_of_a_computing_guest_run_on_the_loop(start: Any, limits: GuestLimits) -> None:
    loops: list[object] = []

    def step(_context: object, arguments: tuple[int]) -> int:
        loops.append(asyncio.get_running_loop())
        return arguments[0] + 1

    assert await (await start("spin-step", LONG, step=step, limits=limits)).wait() == Returned(LONG + 1)
    assert loops == [asyncio.get_running_loop()]


@BOTH
async def test_a_guest_that_calls_the_host_for_longer_than_a_slice_ends_the_same(
    start: Any, limits: GuestLimits
) -> None:
    assert await (await start("run", 30_000, limits=limits)).wait() == Returned(30_000 * 29_999)


async def test_two_computing_guests_take_turns_on_the_loop(start: Any) -> None:
    calls = [await start("spin", LONG, limits=ON_LOOP) for _ in range(2)]
    assert await asyncio.gather(*(call.wait() for call in calls)) == [Returned(LONG)] * 2


@BOTH
async def test_an_endless_loop_is_stopped_from_outside(start: Any, limits: GuestLimits) -> None:
    call = await start("forever", limits=limits)
    waiting = asyncio.create_task(call.wait())
    await asyncio.sleep(0.03)
    call.drop(TimedOut())
    assert await waiting == TimedOut()


async def test_more_endless_loops_than_threads_all_stop(start: Any, engine: WasmtimeEngine) -> None:
    calls = [await start("forever") for _ in range(6)]
    waiting = [asyncio.create_task(call.wait()) for call in calls]
    await asyncio.sleep(0.1)
    for call in calls:
        call.drop(TimedOut())
    assert await asyncio.gather(*waiting) == [TimedOut()] * 6
    await eventually(lambda: engine.guests == 0)


async def test_a_dropped_call_keeps_its_first_outcome(start: Any) -> None:
    call = await start("run", 1, step=lambda *_: asyncio.get_running_loop().create_future())
    assert call.poll() is None
    call.drop(TimedOut())
    call.drop(Dropped())
    assert await call.wait() == TimedOut()


async def test_a_call_that_was_never_polled_can_be_dropped(start: Any, engine: WasmtimeEngine) -> None:
    call = await start("run", 1)
    call.drop()
    assert engine.guests == 0
    assert call.poll() == Dropped()


@pytest.mark.parametrize("function", ["run", "spin-step"])
async def test_a_host_function_may_drop_its_own_call(start: Any, engine: WasmtimeEngine, function: str) -> None:
    def step(_context: object, _arguments: tuple[int]) -> int:
        call.drop(TimedOut())
        return 1

    call = await start(function, LONG, step=step)
    assert await call.wait() == TimedOut()
    assert engine.guests == 0


async def test_a_host_function_may_run_another_guest(start: Any) -> None:
    inner = [await start("run", 4) for _ in range(3)]
    call = await start("run", 3, step=lambda _, arguments: inner[arguments[0]].poll().value)
    assert call.poll() == Returned(36)


async def test_an_answer_on_its_way_does_not_reach_a_dropped_call(start: Any) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    call = await start("run", 1, step=lambda *_: future)
    assert call.poll() is None
    future.set_exception(GuestTrap("too late"))
    call.drop()
    await asyncio.sleep(0)
    assert call.poll() == Dropped()


async def test_a_dropped_call_is_not_kept_alive_by_what_it_waited_for(start: Any) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    call = await start("run", 1, step=lambda *_: future)
    call.poll()
    call.drop()
    assert not future._callbacks


async def test_cancelling_the_wait_drops_the_guest_and_the_hosts_task(start: Any, engine: WasmtimeEngine) -> None:
    cancelled = asyncio.Event()

    async def step(_context: object, _arguments: tuple[int]) -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return 0

    call = await start("run", 1, step=step)
    waiting = asyncio.create_task(call.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(cancelled.wait(), 1)
    assert engine.guests == 0


async def test_a_future_of_the_host_stays_its_own_when_the_call_is_dropped(start: Any) -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    call = await start("run", 1, step=lambda *_: future)
    call.poll()
    call.drop()
    assert not future.done()
    future.set_result(1)
    await asyncio.sleep(0)


async def test_thousands_of_dropped_calls_leave_nothing(start: Any, resident_bytes: Callable[[], int]) -> None:
    waits = asyncio.get_running_loop().create_future()
    call = await start("run", 1, step=lambda *_: waits)
    again = call.linked
    function, floor = next(iter(again.exports)), 0
    for round_ in range(4):
        for _ in range(1_000):
            call = again.start(function, (1,), None, LIMITS)
            call.poll()
            call.drop()
        if round_ == 0:
            floor = resident_bytes()
    assert resident_bytes() < floor + 4_000_000


async def test_a_trap_carries_its_cause_and_the_frames(start: Any) -> None:
    outcome = await (await start("divide", 0)).wait()
    assert isinstance(outcome, Trapped)
    assert outcome.message == "wasm trap: integer divide by zero"
    assert outcome.backtrace[0].startswith("divide at m+0x")


async def test_a_stack_overflow_traps(start: Any) -> None:
    outcome = await (await start("deep", 0)).wait()
    assert isinstance(outcome, Trapped)
    assert outcome.message == "wasm trap: call stack exhausted"
    assert outcome.backtrace[0] == "deep at m", "it ran out of stack before its first instruction"


FAULTS = """(component
  (core module $m
    (memory 1)
    (func $beyond (result i32) (i32.load (i32.const 99999999)))
    (func (export "fault") (result i32) (call $beyond))
    (func (export "case") (result i32) (i32.const 7)))
  (core instance $i (instantiate $m))
  (func $fault (result (result)) (canon lift (core func $i "fault")))
  (func $case (result (result)) (canon lift (core func $i "case")))
  (instance $faults (export "fault" (func $fault)) (export "case" (func $case)))
  (export "test:guest/faults" (instance $faults)))"""


async def test_a_trap_keeps_every_cause_of_its_chain(engine: WasmtimeEngine) -> None:
    linked = (await engine.compile(bytes(wat2wasm(FAULTS)))).link({}, {})
    found: dict[str, GuestOutcome] = {}
    for name in ("fault", "case"):
        found[name] = await linked.start(Ffqn.parse(f"test:guest/faults.{name}"), (), None, LIMITS).wait()
    fault = found["fault"]
    assert isinstance(fault, Trapped)
    where, why = (
        "memory fault at wasm address 0x5f5e0ff in linear memory of size 0x10000",
        "out of bounds memory access",
    )
    assert fault.message == f"{where}: wasm trap: {why}"
    assert fault.backtrace[0].startswith("beyond at m+0x")
    assert found["case"] == Trapped("discriminant 7 out of range [0..2)")


def test_a_reason_is_bounded_and_has_no_backtrace() -> None:
    text = (
        "error while executing at wasm backtrace:\n    0: 0x57 - m!f\n\nCaused by:\n    0: one\n    1: two\n       more"
    )
    assert _cause(text) == "one: two: more"
    assert _cause("no unwinding\n\nCaused by:\n    why") == "no unwinding: why"
    assert len(_cause("x" * 10_000)) < 10_000


async def test_memory_grows_to_its_limit_only(start: Any) -> None:
    limits = replace(LIMITS, memory_bytes=4 * 65536)
    assert await (await start("grow", 3, limits=limits)).wait() == Returned(1)
    assert await (await start("grow", 4, limits=limits)).wait() == Returned(-1)


async def test_a_guest_that_starts_above_its_memory_limit_traps(start: Any) -> None:
    outcome = await (await start("run", 1, limits=replace(LIMITS, memory_bytes=100))).wait()
    assert isinstance(outcome, Trapped)
    assert "memory" in outcome.message
    assert "raise it" in outcome.message


HOG = """(component
  (core module $m
    (memory 1)
    (func (export "run") (result i32) (local $page i32)
      (loop $next
        (local.set $page (memory.grow (i32.const 1)))
        (if (i32.eq (local.get $page) (i32.const -1)) (then unreachable))
        (memory.fill (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1) (i32.const 65536))
        (br $next))
      unreachable))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $e (export "run" (func $run)))
  (export "test:guest/hog" (instance $e)))"""


async def test_a_trap_with_most_of_the_memory_in_use_names_the_limit_and_how_to_raise_it(
    engine: WasmtimeEngine,
) -> None:
    linked = (await engine.compile(bytes(wat2wasm(HOG)))).link({}, {})
    limits = replace(LIMITS, memory_bytes=64 * 65536)
    outcome = await linked.start(Ffqn.parse("test:guest/hog.run"), (), None, limits).wait()
    assert isinstance(outcome, Trapped)
    assert "4 MiB that it may use (memory_mib): if it ran out of memory, raise it" in outcome.message


async def test_a_trap_of_a_guest_that_used_little_memory_says_nothing_of_it(start: Any) -> None:
    outcome = await (await start("divide", 0)).wait()
    assert isinstance(outcome, Trapped)
    assert "memory_mib" not in outcome.message


async def test_tables_grow_to_their_limit_only(start: Any) -> None:
    limits = replace(LIMITS, table_elements=10)
    assert await (await start("grow-table", 9, limits=limits)).wait() == Returned(1)
    assert await (await start("grow-table", 10, limits=limits)).wait() == Returned(-1)


async def test_memory_bytes_follow_what_the_guest_touched(start: Any) -> None:
    call = await start("touch", 64, step=lambda *_: asyncio.get_running_loop().create_future())
    assert call.poll() is None
    assert 64 * 65536 <= call.memory_bytes < 2 * 64 * 65536
    call.drop()
    assert call.memory_bytes == 0


class TestFuel:
    @pytest.fixture
    def settings(self) -> EngineSettings:
        return EngineSettings(guests_max=64, fuel=True)

    async def test_a_guest_ends_when_its_fuel_is_used_up(self, start: Any) -> None:
        assert await (await start("forever", limits=replace(LIMITS, fuel=100_000))).wait() == OutOfFuel()

    async def test_a_guest_without_a_bound_has_fuel_for_ever(self, start: Any) -> None:
        assert await (await start("run", 1_000)).wait() == Returned(999_000)


class TestRoom:
    @pytest.fixture
    def settings(self) -> EngineSettings:
        return EngineSettings(guests_max=64)

    async def test_one_guest_too_many_is_pressure_not_an_outcome(self, start: Any, engine: WasmtimeEngine) -> None:
        waits = asyncio.get_running_loop().create_future()
        first = await start("run", 1, step=lambda *_: waits)
        calls = [await start("run", 1, step=lambda *_: waits) for _ in range(63)]
        assert {call.poll() for call in [first, *calls]} == {None}
        with pytest.raises(GuestsExhausted):
            (await start("run", 1)).poll()
        with pytest.raises(GuestsExhausted):
            await (await start("run", 1)).wait()
        first.drop()
        assert await (await start("run", 1)).wait() == Returned(0)
        for call in calls:
            call.drop()
        assert engine.guests == 0


def raising(error: BaseException) -> Any:
    def step(_context: object, _arguments: tuple[int]) -> int:
        raise error

    return step


def failing_later(error: BaseException) -> Any:
    def step(_context: object, _arguments: tuple[int]) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_exception, error)
        return future

    return step


FAILURES = pytest.mark.parametrize("failing", [raising, failing_later])


@FAILURES
@pytest.mark.parametrize("function", ["run", "spin-step"])
async def test_a_guest_trap_of_the_host_carries_its_reason_only(start: Any, failing: Any, function: str) -> None:
    outcome = await (await start(function, LONG, step=failing(GuestTrap("no such join set")))).wait()
    assert isinstance(outcome, Trapped)
    assert outcome.message == "no such join set"


async def test_a_guest_trap_of_the_host_tells_where_in_the_guest_it_was(start: Any) -> None:
    outcome = await (await start("run", 1, step=raising(GuestTrap("no such join set")))).wait()
    assert isinstance(outcome, Trapped)
    assert any("function" in frame or "run" in frame for frame in outcome.backtrace)


@FAILURES
async def test_a_guest_that_exits_is_trapped(start: Any, failing: Any) -> None:
    outcome = await (await start("run", 1, step=failing(GuestExit(ok=True)))).wait()
    assert isinstance(outcome, Trapped)
    assert outcome.message.startswith("the guest called exit with success, and so has no result")


@FAILURES
@pytest.mark.parametrize("function", ["run", "spin-step"])
async def test_a_bug_in_a_host_function_ends_the_call(
    start: Any, engine: WasmtimeEngine, failing: Any, function: str
) -> None:
    error = ZeroDivisionError("bug")
    assert await (await start(function, LONG, step=failing(error))).wait() == HostFailed(error)
    assert engine.guests == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
async def test_an_interrupt_in_a_host_function_is_passed_on_after_the_guest_is_released(
    start: Any, engine: WasmtimeEngine, error: BaseException
) -> None:
    call = await start("run", 1, step=raising(error))
    with pytest.raises(type(error)):
        call.poll()
    assert engine.guests == 0
    assert call.poll() == HostFailed(error)


async def test_a_result_of_the_wrong_type_is_a_bug_of_the_host(start: Any) -> None:
    outcome = await (await start("run", 1, step=lambda *_: "text")).wait()
    assert isinstance(outcome, HostFailed)
    assert isinstance(outcome.error, TypeError)


async def test_an_idle_engine_does_not_tick(start: Any, engine: WasmtimeEngine) -> None:
    assert await (await start("run", 1)).wait() == Returned(0)
    ticker = engine._fibers.ticker
    await eventually(lambda: ticker._resting)
    call = await start("forever", limits=ON_LOOP)
    assert call.poll() is None
    call.drop()
