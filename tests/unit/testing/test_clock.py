import asyncio

from obelisk_runtime.core.ids import Instant, parse_execution_id
from obelisk_runtime.ports.clock import Clock, IdSource
from obelisk_runtime.testing.clock import START, SeededIds, VirtualClock


def later(microseconds: int) -> Instant:
    return Instant(START + microseconds)


async def sleepers(clock: Clock, woken: list[str], **wakes: Instant) -> list[asyncio.Task[None]]:
    """Tasks that sleep, by name."""

    async def sleep(name: str, instant: Instant) -> None:
        await clock.sleep_until(instant)
        woken.append(name)

    tasks = [asyncio.ensure_future(sleep(name, instant)) for name, instant in wakes.items()]
    await asyncio.sleep(0)
    return tasks


async def test_it_stands_still_until_it_is_moved() -> None:
    clock = VirtualClock()
    assert clock.now() == START
    clock.advance(5)
    assert clock.now() == later(5)


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock, woken = VirtualClock(), list[str]()
    tasks = await sleepers(clock, woken, last=later(30), first=later(10), second=later(20), far=later(31))
    clock.set(later(30))
    await asyncio.gather(*tasks[:3])
    assert woken == ["first", "second", "last"]
    assert clock.next_wake == later(31)
    clock.advance(1)
    await tasks[3]


async def test_who_sleeps_until_the_past_does_not_sleep() -> None:
    clock = VirtualClock()
    await clock.sleep_until(START)
    assert clock.next_wake is None


async def test_a_sleeper_that_was_cancelled_is_forgotten() -> None:
    clock = VirtualClock()
    (task,) = await sleepers(clock, [], only=later(10))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.next_wake is None
    clock.advance(20)


async def test_wall_time_may_go_back_and_monotonic_time_does_not() -> None:
    clock = VirtualClock()
    clock.advance(10)
    clock.set(START)
    assert clock.now() == START
    assert clock.monotonic() == 10_000
    clock.advance(5)
    assert clock.monotonic() == 15_000


def test_a_seed_decides_every_id_and_number() -> None:
    def sequence(ids: IdSource) -> list[object]:
        return [ids.execution_id(START), ids.random_bytes(16), ids.fraction()]

    assert sequence(SeededIds(7)) == sequence(SeededIds(7))
    assert sequence(SeededIds(7)) != sequence(SeededIds(8))


def test_seeded_ids_are_valid_and_differ() -> None:
    ids = SeededIds(7)
    made = [parse_execution_id(ids.execution_id(START)) for _ in range(100)]
    assert len(set(made)) == 100
