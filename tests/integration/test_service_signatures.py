"""Signatures that change between a caller and what it called: stubs that wait, and executions that are scheduled."""

from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, StubSettings
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.service import StubConflict
from obelisk_runtime.testing.clock import SECOND, VirtualClock

COMPONENTS = Path(__file__).parents[2] / "components"
SCRIPT = Ffqn.parse("testing:script-workflow/script.run")
STUB = StubSettings(
    Ffqn.parse("testing:approval/desk.decide"), parse_function("func(order: u64) -> result<bool, string>")
)
OTHER_STUB = replace(STUB, type=parse_function("func(order: u64) -> result<u32, string>"))
OTHER_PARAMS = ('"n" u8', '"n" bool')
HOUR = 3_600 * SECOND
LATER = "time.ScheduleAt_In(time.Duration_Hours(1))"


def fibo(kind: ComponentKind, *changes: tuple[str, str]) -> tuple[ComponentSettings, bytes]:
    text = (COMPONENTS / "fibo_tiny" / "component.wat").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return ComponentSettings("fibo", kind, "fibo.wasm"), bytes(wat2wasm(text))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def begin(site: Any, workflow: Any, eventually: Any, clock: VirtualClock) -> Any:
    """Run a script to where it waits."""

    async def begun(source: str) -> tuple[Any, ExecutionId]:
        components = workflow("script_workflow"), fibo(ComponentKind.ACTIVITY)
        service = await site.start(*components, stubs=[STUB], clock=clock)
        submitted = await service.submit(SCRIPT, [dedent(source)])
        await eventually(lambda: waits(site, submitted.id))
        return service, submitted.id

    return begun


async def waits(site: Any, execution_id: ExecutionId) -> bool:
    return isinstance((await site.store.get(execution_id)).status, proj.Blocked)


async def test_a_stub_that_waited_while_its_signature_changed_is_rejected_showing_both_types(
    site: Any, begin: Any
) -> None:
    service, id_ = await begin("answer = desk.decide(7)")
    assert not await service.deploy([], [OTHER_STUB])
    stub = ExecutionId(f"{id_}.o:1_1")
    for result in ('{"ok":7}', '{"ok":8}'):
        with pytest.raises(StubConflict, match="another"):
            await service.stub(stub, result)
    outcome = await service.outcome(stub)
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.REJECTED
    before, _, after = outcome.reason.partition("\n  deployed ")
    assert "compiled against testing:approval/desk.decide: func(order: u64) -> result<bool, string>" in before
    assert "func(order: u64) -> result<u32, string>" in after
    outcome = await service.wait(id_)
    assert isinstance(outcome, ev.Err)
    assert "execution_failed" in (outcome.value or "")


async def test_a_stub_takes_its_result_after_a_deployment_that_kept_its_signature(site: Any, begin: Any) -> None:
    service, id_ = await begin("answer = desk.decide(7)")
    assert not await service.deploy([], [STUB])
    assert await service.stub(ExecutionId(f"{id_}.o:1_1"), '{"ok":true}')
    assert await service.wait(id_) == ev.Ok('"True"')


async def test_a_workflow_that_supplies_a_result_of_the_former_type_is_told_of_the_conflict(
    site: Any, begin: Any, clock: VirtualClock
) -> None:
    service, id_ = await begin(
        f"""
        join_set = support.join_set_create()
        stub = desk_ext.decide_submit(join_set, 1)
        support.sleep({LATER}, None)
        try:
            desk_stub.decide_stub(stub, Ok(True))
        except Err as error:
            answer = type(error.value).__name__
        """
    )
    top_level = await service.submit(STUB.function, [1])
    assert not await service.deploy([], [OTHER_STUB])
    assert await service.stub(top_level.id, '{"ok":7}'), "nobody was compiled against its former type"
    clock.advance(HOUR)
    assert await service.wait(id_) == ev.Ok('"StubError_Conflict"')


@pytest.mark.parametrize("kind", [ComponentKind.ACTIVITY, ComponentKind.WORKFLOW])
async def test_what_is_scheduled_with_parameters_of_a_former_type_is_rejected_naming_them(
    site: Any, begin: Any, clock: VirtualClock, kind: ComponentKind
) -> None:
    service, id_ = await begin(
        f"""
        support.sleep({LATER}, None)
        answer = fibo_schedule.fibo_schedule(time.ScheduleAt_Now(), 10).id
        """
    )
    assert not await service.deploy([fibo(kind, OTHER_PARAMS)])
    clock.advance(HOUR)
    answered = await service.wait(id_)
    assert isinstance(answered, ev.Ok)
    outcome = await service.wait(ExecutionId((answered.value or "").strip('"')))
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.REJECTED
    for part in ("another signature now", "parameter 'n'", "expected bool", "found 10"):
        assert part in outcome.reason
