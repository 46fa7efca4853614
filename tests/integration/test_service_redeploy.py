"""What is deployed may change while workflows wait: what their logs say is enough to replay them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from textwrap import dedent
from typing import Any

import msgspec
import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, StubSettings
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.wit_text import parse_function

SCRIPT = Ffqn.parse("testing:script-workflow/script.run")
STUB = StubSettings(
    Ffqn.parse("testing:approval/desk.decide"), parse_function("func(order: u64) -> result<bool, string>")
)
OTHER_FLAKY = """(component
  (core module $m (func (export "run") (param i32) (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (param "mode" u32) (result (result)) (canon lift (core func $i "run")))
  (instance $flaky (export "run" (func $run)))
  (export "testing:flaky/flaky" (instance $flaky)))"""
"""Another parameter, and an err without payload."""
NAP = """
def nap(name):
    try:
        support.sleep(time.ScheduleAt_In(time.Duration_Hours(1)), name)
    except Err:
        pass
"""
CALL = """
    answer = str(support.call_json(Function("testing:flaky/flaky", "run"), '{params}').value)
    nap(None)
"""
FAILS = """
    join_set = support.join_set_create()
    flaky = Function("testing:flaky/flaky", "run")
    child = support.submit_json(join_set, flaky, '["trap", 1]')
    failed = [support.join_next(join_set), support.get_result_json(child), support.call_json(flaky, '["trap", 1]')]
    for number, one in enumerate(failed):
        name = str(number) + (one.value or "").strip('"').replace("_", "-")
        nap(name)
    answer = [one.value for one in failed]
"""
FAILED = "['\"execution_failed\"', '\"execution_failed\"', '\"execution_failed\"']"
SCRIPTS = {
    "parameters that were checked": (CALL.replace("{params}", '["ok", 1]'), '"ok"'),
    "parameters in another form": (CALL.replace("{params}", ' [ "ok" ,1 ] '), '"ok"'),
    "failures of children": (FAILS, FAILED),
}


class OlderStore:
    """A store as a process sees it that is older than what submissions record of types."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, append: Any) -> Awaitable[Any]:
        events = [msgspec.structs.replace(entry, event=_older(entry.event)) for entry in append.events]
        return self._store.append(replace(append, events=events))


def _older(event: ev.Event) -> ev.Event:
    is_child = isinstance(event, ev.ChildSubmitted)
    return ev.ChildSubmitted(event.join_set, event.function, event.params) if is_child else event


@pytest.fixture
def others(workflow: Any, activity: Any) -> list[Any]:
    """What stays deployed."""
    return [workflow("script_workflow"), activity("fibo_tiny")]


@pytest.fixture
def asleep(site: Any, eventually: Any) -> Callable[[str], Awaitable[Any]]:
    """Wait until an execution that somebody holds sleeps; its projection. None, once it is paused or has ended."""

    async def waits(id_: str) -> Any:
        async def moved() -> Any:
            seen = await site.store.get(ExecutionId(id_))
            ended = isinstance(seen.status, proj.Finished) or seen.lifecycle.paused
            sleeps = isinstance(seen.status, proj.Blocked) and seen.holder and await site.store.open_delays(id_)
            return (seen,) if ended or sleeps else None

        return (await eventually(moved))[0]

    return waits


def text_activity(text: str | None) -> list[tuple[ComponentSettings, bytes]]:
    settings = ComponentSettings(name="text", kind=ComponentKind.ACTIVITY, location="text.wasm")
    return [] if text is None else [(settings, bytes(wat2wasm(text)))]


async def woken(service: Any, site: Any, asleep: Any, id_: str) -> str:
    """Its answer, however often it sleeps."""
    while not isinstance((seen := await asleep(id_)).status, proj.Finished):
        assert not seen.lifecycle.paused, [event for event in await site.log(id_) if isinstance(event, ev.Paused)]
        for delay in await site.store.open_delays(ExecutionId(id_)):
            await service.cancel(DelayId(delay.id), "awake")
    outcome = await service.wait(ExecutionId(id_))
    assert isinstance(outcome, ev.Ok), outcome
    return msgspec.json.decode(outcome.value)


@pytest.mark.parametrize("redeployed", [OTHER_FLAKY, None], ids=["with another signature", "no more"])
@pytest.mark.parametrize(("source", "answer"), SCRIPTS.values(), ids=SCRIPTS)
async def test_a_workflow_is_replayed_though_a_function_it_called_is_deployed_otherwise(
    site: Any, activity: Any, others: Any, asleep: Any, source: str, answer: str, redeployed: str | None
) -> None:
    service = await site.start(*others, activity("flaky"), stubs=[STUB])
    submitted = await service.submit(SCRIPT, [NAP + dedent(source)])
    await asleep(submitted.id)
    await site.die_and_reopen(service)
    service = await site.start(*others, *text_activity(redeployed), stubs=[STUB])
    assert await woken(service, site, asleep, submitted.id) == answer


@pytest.mark.parametrize("redeployed", [OTHER_FLAKY, None], ids=["with another signature", "no more"])
async def test_the_parameters_in_a_log_of_before_their_text_was_recorded_are_taken_as_they_are(
    site: Any, activity: Any, others: Any, asleep: Any, redeployed: str | None
) -> None:
    service = await site.start(*others, activity("flaky"), stubs=[STUB], store=OlderStore(site.store))
    source, answer = SCRIPTS["parameters that were checked"]
    submitted = await service.submit(SCRIPT, [NAP + dedent(source)])
    await asleep(submitted.id)
    await site.die_and_reopen(service)
    service = await site.start(*others, *text_activity(redeployed), stubs=[STUB])
    assert await woken(service, site, asleep, submitted.id) == answer
