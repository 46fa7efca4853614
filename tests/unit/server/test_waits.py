import asyncio

import pytest

from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import Changed
from obelisk_server.api.waits import InvalidWait, Waits, wait_seconds

ONE = ExecutionId("E_01J00000000000000000000000")
OTHER = ExecutionId("E_01J00000000000000000000001")


@pytest.mark.parametrize(
    ("wait", "seconds"), [(None, 0), (0, 0), (1.5, 1.5), ("2", 2), ("2.5", 2.5), ("100ms", 0.1), ("5m", 300)]
)
def test_a_wait_is_seconds_or_a_duration(wait: float | str | None, seconds: float) -> None:
    assert wait_seconds(wait) == seconds


@pytest.mark.parametrize("wait", [-1, 301, float("nan"), float("inf"), "", "x", "-1", "1h", "nan"])
def test_any_other_wait_is_refused(wait: float | str) -> None:
    with pytest.raises(InvalidWait):
        wait_seconds(wait)


async def test_a_wait_gives_the_value_or_nothing_when_it_is_over() -> None:
    waits = Waits()
    assert await waits.at_most(60, asyncio.sleep(0, "value")) == "value"
    assert await waits.at_most(0, asyncio.Event().wait()) is None


async def test_a_timeout_of_what_is_awaited_is_not_taken_for_the_end_of_the_wait() -> None:
    async def fail() -> None:
        raise TimeoutError("of the store")

    with pytest.raises(TimeoutError, match="of the store"):
        await Waits().at_most(60, fail())


async def test_a_watcher_looks_again_after_a_change_of_its_execution() -> None:
    waits = Waits()
    looks = 0

    async def look() -> int | None:
        nonlocal looks
        looks += 1
        return looks if looks == 2 else None

    waiting = asyncio.create_task(waits.until(60, ONE, look))
    await asyncio.sleep(0)
    waits.on_change(Changed(frozenset({OTHER}), pending=False))
    await asyncio.sleep(0)
    assert looks == 1
    waits.on_change(Changed(frozenset({ONE}), pending=False))
    assert await waiting == 2


async def test_stopping_ends_waits_now_and_those_to_come_at_once() -> None:
    waits = Waits()

    async def never() -> None:
        return None

    waiting = [
        asyncio.create_task(waits.at_most(60, asyncio.Event().wait())),
        asyncio.create_task(waits.until(60, ONE, never)),
    ]
    await asyncio.sleep(0)
    waits.stop()
    assert await asyncio.gather(*waiting) == [None, None]
    assert await waits.at_most(60, asyncio.Event().wait()) is None
