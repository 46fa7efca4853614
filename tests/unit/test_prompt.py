"""Futures that tell at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from obelisk_runtime.prompt import Prompt, when_done

ENDS: tuple[Callable[[Prompt[int]], object], ...] = (
    lambda future: future.set_result(1),
    lambda future: future.set_exception(ValueError()),
    lambda future: future.cancel(),
)


@pytest.mark.parametrize("end", ENDS)
async def test_a_prompt_future_tells_before_the_call_that_ends_it_returns(end: Any) -> None:
    future, told = Prompt[int](loop=asyncio.get_running_loop()), list[Any]()
    when_done(future, told.append)
    end(future)
    assert told == [future]
    assert future.cancelled() or future.exception() or future.result() == 1


async def test_what_is_done_already_or_is_no_prompt_future_tells_later() -> None:
    done, told = Prompt[int](loop=asyncio.get_running_loop()), list[int]()
    done.set_result(1)

    async def answer() -> int:
        return 2

    for awaitable in (done, answer()):
        when_done(awaitable, lambda future: told.append(future.result()))
    assert told == []
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert told == [1, 2]


async def test_a_prompt_future_can_be_awaited_too() -> None:
    future, told = Prompt[int](loop=asyncio.get_running_loop()), list[Any]()
    when_done(future, told.append)
    asyncio.get_running_loop().call_soon(future.set_result, 3)
    assert await future == 3
    assert told == [future]


async def test_a_failing_listener_is_not_the_failure_of_who_ends_the_future() -> None:
    loop, reported = asyncio.get_running_loop(), list[Any]()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    future, error = Prompt[int](loop=loop), ZeroDivisionError("bug")

    def fail(_: asyncio.Future[int]) -> None:
        raise error

    when_done(future, fail)
    future.set_result(1)
    assert reported == [error]
