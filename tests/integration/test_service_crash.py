"""A process that dies at any of its writes, and the next one that goes on: all of it in one test process."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import ExecutionFilter

WRITES_MAX = 200


@pytest.fixture
def storage() -> str:
    return "memory"


@dataclass(frozen=True)
class Load:
    activities: tuple[str, ...]
    workflows: tuple[str, ...]
    function: str
    params: Sequence[Any]
    outcome: type[ev.Outcome] = ev.Ok
    value: str | None = None


def race(mode: str, delay: int, ending: str, winner: str) -> Load:
    outcome = ev.Failed if ending == "trap" else ev.Ok
    value = None if ending == "trap" else f'"{winner}"'
    params = [1, mode, 0, delay, ending]
    return Load(("flaky",), ("racer",), "testing:racer/racer.race", params, outcome, value)


LOADS = {
    "in series": Load(
        ("fibo_tiny",), ("fibo_workflow_tiny",), "testing:fibo-workflow/workflow.fiboa", [10, 3], value="89"
    ),
    "concurrent": Load(
        ("fibo_tiny",), ("fibo_workflow_tiny",), "testing:fibo-workflow/workflow.fiboa-concurrent", [10, 4], value="89"
    ),
    "random": Load(("recorder",), ("dice",), "testing:dice/dice.roll", ["key"]),
    "sleep": Load((), ("sleeper",), "testing:sleeper/sleeper.sleep", [1]),
    "retries": Load(("recovering",), (), "testing:recovering/recovering.run", [2]),
    **{f"delay wins, {ending}": race("endless", 1, ending, "delay") for ending in ("close", "drop", "leave", "trap")},
    **{f"activity wins, {ending}": race("ok", 60_000, ending, "activity") for ending in ("close", "leave", "trap")},
}


@pytest.mark.parametrize("made", [False, True], ids=["last write lost", "last write made"])
@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS.keys())
async def test_killed_at_any_write_it_ends_once_and_as_if_nothing_had_happened(
    site: Any, activity: Any, workflow: Any, mortal: Any, run: Any, load: Load, made: bool
) -> None:
    components = [activity(name) for name in load.activities] + [workflow(name) for name in load.workflows]
    for lives in range(3, WRITES_MAX):
        id_ = ExecutionId(f"E_01J00000000000000000000{lives:03}")
        store = mortal(site.store, lives, last_write_is_made=made)
        first = await site.start(*components, store=store)
        ended = asyncio.ensure_future(run(first, load.function, load.params, id_))
        died = asyncio.ensure_future(store.died.wait())
        await asyncio.wait((ended, died), return_when=asyncio.FIRST_COMPLETED, timeout=120)
        survived = not store.died.is_set()
        await cancel(ended, died)
        site.die(first)
        finished_before = await finished(site, id_)
        begun_before = len(site.engine.begun)
        second = await site.start(*components)
        _, outcome = await run(second, load.function, load.params, id_)
        assert isinstance(outcome, load.outcome)
        if load.value is not None:
            assert outcome == ev.Ok(load.value)
        again = {begun.execution_id for begun in site.engine.begun[begun_before:]}
        assert not again & finished_before, "what had ended was run again"
        assert_same_parameters(site)
        await assert_sound(site, id_)
        await second.stop()
        site.services.remove(second)
        if survived:
            return
    raise AssertionError("the load never ended without a kill")


async def cancel(*tasks: "asyncio.Future[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def assert_same_parameters(site: Any) -> None:
    """Every attempt of an execution got the same arguments."""
    seen = {(begun.execution_id, begun.function, begun.arguments) for begun in site.engine.begun}
    assert max(Counter(execution_id for execution_id, *_ in seen).values()) == 1


async def family(site: Any, id_: ExecutionId) -> list[Any]:
    page = await site.store.list(ExecutionFilter(id_prefix=id_, top_level_only=False), limit=1000)
    return list(page.items)


async def finished(site: Any, id_: ExecutionId) -> set[ExecutionId]:
    return {item.id for item in await family(site, id_) if isinstance(item.projection.status, proj.Finished)}


async def assert_sound(site: Any, id_: ExecutionId) -> None:
    """The whole family has ended, the parent last, each once, and what is stored beside the logs is their fold."""
    ends: dict[str, int] = {}
    for item in await family(site, id_):
        log = await site.store.log(item.id)
        responses = await site.store.responses(item.id)
        assert [entry.version for entry in log] == list(range(len(log)))
        assert fold(item.id, log, responses) == item.projection
        ends[item.id] = sum(isinstance(entry.event, ev.Finished) for entry in log)
        assert [response.position for response in responses] == list(range(1, len(responses) + 1))
    assert set(ends.values()) == {1}, ends
