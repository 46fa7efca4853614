"""Lists leave most of the time to executions."""

import asyncio

from obelisk_server.api.turns import Turns


class Time:
    """Time that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


async def take(turns: Turns, time: Time, seconds: float) -> None:
    async with turns.turn():
        time.now += seconds


async def test_the_first_list_does_not_wait() -> None:
    time = Time()
    await take(Turns(0.25, time, time.sleep), time, 1.0)
    assert time.slept == []


async def test_one_that_follows_at_once_waits_as_long_as_the_share_asks() -> None:
    time = Time()
    turns = Turns(0.25, time, time.sleep)
    await take(turns, time, 1.0)
    await take(turns, time, 1.0)
    assert time.slept == [3.0]


async def test_one_that_comes_later_does_not_wait() -> None:
    time = Time()
    turns = Turns(0.25, time, time.sleep)
    await take(turns, time, 1.0)
    time.now += 3.5
    await take(turns, time, 1.0)
    assert time.slept == []


async def test_they_are_served_one_at_a_time_also_when_one_fails() -> None:
    turns = Turns(0.5)
    order: list[str] = []

    async def one(name: str) -> None:
        async with turns.turn():
            order.append(name)
            await asyncio.sleep(0)
            order.append(name)
            if name == "a":
                raise ValueError

    await asyncio.gather(one("a"), one("b"), return_exceptions=True)
    assert order == ["a", "a", "b", "b"]
