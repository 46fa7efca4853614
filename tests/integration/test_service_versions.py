"""Code that changes under executions: replay, upgrade, reload, changed signatures, nondeterminism, poison."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, OnNondeterminism, RuntimeLimits
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import DelayId, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.ports.store import ExecutionNotFound, StoreUnavailable
from obelisk_runtime.service import (
    BrokenBytes,
    ComponentNotFound,
    Differs,
    FunctionNotFound,
    Matches,
    NotAWorkflow,
    NotDeployed,
    Unfit,
    UpgradeResult,
)
from obelisk_runtime.service.components.deployed import digest_of
from obelisk_runtime.service.replay.story import read_story

COMPONENTS = Path(__file__).parents[2] / "components"
SLEEP = Ffqn.parse("testing:sleeper/sleeper.sleep")
FIBOA = Ffqn.parse("testing:fibo-workflow/workflow.fiboa")
FIBO = Ffqn.parse("testing:fibo/fibo.fibo")
HOUR = 3_600_000
SOON = RetryPolicy(max=3, backoff=1_000, factor=1.0, jitter=0.0)
SLEEPS_SECONDS = ("(i64.const 0 (; milliseconds ;))", "(i64.const 1 (; seconds ;))")
"""Asks for another delay: incompatible with what was recorded."""
RETURNS_ERR = ("(i32.load8_u (i32.const 0))))", "(i32.const 1)))")
"""Answers err after its sleep: compatible."""
RETURNS_OK = ("(i32.load8_u (i32.const 0))))", "(i32.const 0)))")
"""Answers ok after its sleep: compatible."""
SLEEPS_TWICE = (
    "(i32.load8_u (i32.const 0))))",
    """(call $sleep (i32.const 2) (i64.const 0) (local.get $milliseconds)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0)))""",
)
NO_SLEEP = ("(call $sleep\n", "(if (i32.const 1) (then (return (i32.const 0)))) (call $sleep\n")
TRAPS = ("(call $sleep\n", "(unreachable) (call $sleep\n")
SPINS = ("(call $sleep\n", "(loop $again (br $again)) (call $sleep\n")


def variant(name: str, *changes: tuple[str, str]) -> bytes:
    """The bytes of a component of this checkout with its text changed."""
    text = (COMPONENTS / name / "component.wat").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return bytes(wat2wasm(text))


def sleeper(*changes: tuple[str, str], **settings: Any) -> tuple[ComponentSettings, bytes]:
    wasm = variant("sleeper", *changes)
    return ComponentSettings("sleeper", ComponentKind.WORKFLOW, "sleeper.wasm", **settings), wasm


def delay_of(execution_id: str) -> DelayId:
    return DelayId(f"Delay_{execution_id[2:]}.o:1_1")


async def asleep(site: Any, execution_id: ExecutionId) -> bool:
    return isinstance((await site.store.get(execution_id)).status, proj.Blocked)


async def paused(site: Any, execution_id: ExecutionId) -> bool:
    return (await site.store.get(execution_id)).lifecycle.paused


async def everything(site: Any, execution_id: ExecutionId) -> Any:
    return await read_story(site.store, execution_id), await site.lines(execution_id)


@pytest.fixture
def sleeping(site: Any, eventually: Any) -> Any:
    """Start a server with a sleeper and let it sleep for an hour."""

    async def sleep() -> tuple[Any, ExecutionId]:
        service = await site.start(sleeper())
        submitted = await service.submit(SLEEP, [HOUR])
        await eventually(lambda: asleep(site, submitted.id))
        return service, submitted.id

    return sleep


# Replay


async def test_replay_against_its_own_component_matches_and_writes_nothing(site: Any, sleeping: Any) -> None:
    service, id_ = await sleeping()
    before = await everything(site, id_)
    assert await service.replay(id_) == Matches(digest_of(sleeper()[1]), 1)
    assert await everything(site, id_) == before


async def test_a_finished_execution_replays_to_the_same_result(site: Any, workflow: Any, activity: Any) -> None:
    service = await site.start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    submitted = await service.submit(FIBOA, [10, 3])
    assert await service.wait(submitted.id) == ev.Ok("89")
    before = await everything(site, submitted.id)
    begun = len(site.attempts("fibo.fibo"))
    replayed = await service.replay(submitted.id)
    assert isinstance(replayed, Matches)
    assert replayed.entries == 3
    assert await everything(site, submitted.id) == before
    assert len(site.attempts("fibo.fibo")) == begun


async def test_replay_of_a_finished_execution_tells_another_result(site: Any, sleeping: Any) -> None:
    service, id_ = await sleeping()
    await service.cancel(delay_of(id_), "wake up")
    assert await service.wait(id_) == ev.Err(None)
    assert isinstance(await service.replay(id_), Matches)
    wasm = variant("sleeper", ("(i32.load8_u (i32.const 0))))", "(i32.const 0)))"))
    replayed = await service.replay(id_, wasm)
    assert isinstance(replayed, Differs)
    assert (replayed.recorded, replayed.asked) == ("to return err()", "to return ok()")


@pytest.mark.parametrize(
    ("change", "recorded", "asked"),
    [
        (SLEEPS_SECONDS, "delay-submitted(join_set=o:1, asked=3600000000,", "asked=3600000000000,"),
        (NO_SLEEP, "delay-submitted", "to return ok()"),
        (TRAPS, "delay-submitted", "to end: trapped"),
    ],
)
async def test_replay_tells_version_recorded_asked_and_the_position_in_the_guest(
    site: Any, sleeping: Any, change: tuple[str, str], recorded: str, asked: str
) -> None:
    service, id_ = await sleeping()
    before = await everything(site, id_)
    replayed = await service.replay(id_, variant("sleeper", change))
    assert isinstance(replayed, Differs)
    assert replayed.version == 2
    assert recorded in (replayed.recorded or "")
    assert asked in (replayed.asked or "")
    assert bool(replayed.position) == (change is not NO_SLEEP)
    assert await everything(site, id_) == before


async def test_replay_against_a_component_that_cannot_run_it_says_so(site: Any, sleeping: Any) -> None:
    service, id_ = await sleeping()
    replayed = await service.replay(id_, variant("dice"))
    assert isinstance(replayed, Unfit)
    assert "does not export" in replayed.reason
    with pytest.raises(BrokenBytes):
        await service.replay(id_, b"no component")
    assert (await site.store.get(id_)).version == 3


async def test_replay_of_a_guest_that_computes_without_end_is_given_up(
    site: Any, sleeping: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, id_ = await sleeping()
    monkeypatch.setattr("obelisk_runtime.service.replay.rehearsing.REPLAY_SECONDS_MAX", 0.05)
    assert isinstance(await service.replay(id_, variant("sleeper", SPINS)), Unfit)


async def test_only_workflows_are_replayed(site: Any, activity: Any) -> None:
    service = await site.start(activity("fibo_tiny"))
    submitted = await service.submit(FIBO, [10])
    with pytest.raises(NotAWorkflow):
        await service.replay(submitted.id)
    with pytest.raises(NotAWorkflow):
        await service.upgrade(submitted.id)


# Upgrade


async def restarted(site: Any, service: Any, *changes: tuple[str, str]) -> Any:
    site.die(service)
    return await site.start(sleeper(*changes))


async def test_a_workflow_stays_on_the_digest_it_started_with(site: Any, sleeping: Any) -> None:
    service, id_ = await sleeping()
    service = await restarted(site, service, RETURNS_ERR)
    assert isinstance(await service.replay(id_), Matches)
    assert (await site.store.get(id_)).digest == digest_of(sleeper()[1])


async def test_workflows_of_an_old_digest_that_wake_together_read_its_bytes_once(
    site: Any, noted: Any, eventually: Any
) -> None:
    store = noted(site.store)
    service = await site.start(sleeper(), store=store)
    submitted = [await service.submit(SLEEP, [HOUR]) for _ in range(5)]
    for execution in submitted:
        await eventually(lambda id_=execution.id: asleep(site, id_))
    await service.deploy([sleeper(RETURNS_ERR)])
    replays = await asyncio.gather(*[service.replay(execution.id) for execution in submitted])
    assert all(isinstance(replayed, Matches) for replayed in replays)
    assert [name for name, _ in store.calls].count("get_component") == 1


async def test_after_a_reload_new_workflows_take_the_new_digest_and_old_ones_stay_on_theirs(
    site: Any, sleeping: Any, eventually: Any
) -> None:
    service, old = await sleeping()
    assert not await service.deploy([sleeper(RETURNS_OK)])
    new = (await service.submit(SLEEP, [HOUR])).id
    await eventually(lambda: asleep(site, new))
    expected = {old: (digest_of(sleeper()[1]), ev.Err(None)), new: (digest_of(sleeper(RETURNS_OK)[1]), ev.Ok(None))}
    for id_, (digest, outcome) in expected.items():
        await service.cancel(delay_of(id_), "wake up")
        assert await service.wait(id_) == outcome
        assert (await site.store.get(id_)).digest == digest


@pytest.mark.parametrize("restart", [True, False])
async def test_a_compatible_change_is_taken_by_an_upgrade_and_finished_on(
    site: Any, sleeping: Any, eventually: Any, restart: bool
) -> None:
    service, id_ = await sleeping()
    if restart:
        service = await restarted(site, service, SLEEPS_TWICE)
        await eventually(lambda: len(site.attempts("sleep")) == 2)
    else:
        assert not await service.deploy([sleeper(SLEEPS_TWICE)])
    upgraded = await service.upgrade(id_)
    assert upgraded.result is UpgradeResult.UPGRADED
    assert upgraded.digest == digest_of(sleeper(SLEEPS_TWICE)[1])
    assert ev.Upgraded(upgraded.digest) in await site.log(id_)
    assert (await service.upgrade(id_)).result is UpgradeResult.UP_TO_DATE
    await service.cancel(delay_of(id_), "wake up")
    second = DelayId(f"Delay_{id_[2:]}.o:2_1")
    await eventually(lambda: sleeps_on(site, id_, "o:2"))
    await service.cancel(second, "wake up")
    assert await service.wait(id_) == ev.Ok(None)
    assert (await service.upgrade(id_)).result is UpgradeResult.ALREADY_FINISHED


async def sleeps_on(site: Any, id_: ExecutionId, join_set: str) -> bool:
    status = (await site.store.get(id_)).status
    return isinstance(status, proj.Blocked) and status.join_set == join_set


async def test_an_incompatible_change_leaves_it_on_the_old_digest_and_tells_the_first_difference(
    site: Any, sleeping: Any
) -> None:
    service, id_ = await sleeping()
    before = await everything(site, id_)
    service_2 = await restarted(site, service, SLEEPS_SECONDS)
    upgrade = await service_2.upgrade(id_)
    assert upgrade.result is UpgradeResult.STAYS
    assert upgrade.digest == digest_of(sleeper()[1])
    assert isinstance(upgrade.difference, Differs)
    assert upgrade.difference.version == 2
    after = await everything(site, id_)
    assert after[0].log[: len(before[0].log)] == before[0].log
    assert ev.Upgraded not in {type(event) for event in await site.log(id_)}
    await service_2.cancel(delay_of(id_), "wake up")
    assert await service_2.wait(id_) == ev.Err(None)


async def test_an_upgrade_of_all_of_a_component_moves_those_that_replay_and_lists_the_others(
    site: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    service = await site.start(sleeper(), workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    ids = [(await service.submit(SLEEP, [minutes * 60_000])).id for minutes in (10, 20, 30, 40, 50)]
    for id_ in ids:
        await eventually(lambda id_=id_: asleep(site, id_))
    # One asks for a constant: only the execution that was given it replays.
    constant = ("(local.get $milliseconds)\n", f"(i64.const {30 * 60_000})\n")
    assert not await service.deploy([sleeper(constant), workflow("fibo_workflow_tiny"), activity("fibo_tiny")])
    found: dict[str, UpgradeResult] = {}
    cursor = None
    while True:
        page = await service.upgrade_component("sleeper", cursor=cursor, limit=2)
        found |= {item.id: item.result for item in page.items}
        cursor = page.next_cursor
        if cursor is None:
            break
    expected = [UpgradeResult.UPGRADED if index == 2 else UpgradeResult.STAYS for index in range(5)]
    assert [found[id_] for id_ in ids] == expected
    with pytest.raises(ComponentNotFound, match="sleeper"):
        await service.upgrade_component("no", cursor=None, limit=2)


async def test_an_upgrade_of_a_function_that_is_not_deployed_is_refused(site: Any, sleeping: Any) -> None:
    service, id_ = await sleeping()
    assert not await service.deploy([])
    with pytest.raises(NotDeployed):
        await service.upgrade(id_)


# Signatures

CALLS_FIBO = (
    (
        "  (core module $libc",
        """  (import "testing:fibo/fibo" (instance $fibo
    (export "fibo" (func (param "n" u8) (result (result u64))))))
  (core module $libc""",
    ),
    (
        "  (core module $m",
        '  (core func $fibo (canon lower (func $fibo "fibo") (memory (core memory $c "mem"))))\n  (core module $m',
    ),
    (
        '    (func (export "sleep")',
        '    (import "host" "fibo" (func $fibo (param i32 i32)))\n    (func (export "sleep")',
    ),
    (
        "(i32.load8_u (i32.const 0))))",
        "(call $fibo (i32.const 10) (i32.const 64)) (i32.load8_u (i32.const 64))))",
    ),
    ('(export "sleep" (func $sleep))', '(export "sleep" (func $sleep)) (export "fibo" (func $fibo))'),
)
"""A sleeper that calls fibo after its sleep."""
OTHER_PARAMS = ('"n" u8', '"n" u16')
OTHER_RESULT = ("(result u64)", "(result s64)")
ENDLESS = (
    '(func (export "fibo") (param $n i32) (result i32)',
    '(func (export "fibo") (param $n i32) (result i32) (loop $again (br $again))',
)


def fibo(*changes: tuple[str, str]) -> tuple[ComponentSettings, bytes]:
    return ComponentSettings("fibo", ComponentKind.ACTIVITY, "fibo.wasm"), variant("fibo_tiny", *changes)


@pytest.mark.parametrize("change", [OTHER_PARAMS, OTHER_RESULT], ids=["params", "result"])
async def test_a_child_whose_signature_changed_is_rejected_showing_both_types(
    site: Any, eventually: Any, change: tuple[str, str]
) -> None:
    service = await site.start(sleeper(*CALLS_FIBO), fibo())
    submitted = await service.submit(SLEEP, [HOUR])
    await eventually(lambda: asleep(site, submitted.id))
    assert not await service.deploy([sleeper(*CALLS_FIBO, change), fibo(change)])
    await service.cancel(delay_of(submitted.id), "wake up")
    assert await service.wait(submitted.id) == ev.Err(None)
    await assert_rejected(site, submitted.id)
    again = await service.submit(SLEEP, [1])
    assert await service.wait(again.id) == ev.Ok(None)


async def assert_rejected(site: Any, parent: ExecutionId, join_set: str = "o:2") -> None:
    finished = (await site.log(f"{parent}.{join_set}_1"))[-1]
    assert isinstance(finished, ev.Finished)
    assert isinstance(finished.outcome, ev.Failed)
    assert finished.outcome.kind is ev.FailureKind.REJECTED
    before, _, after = finished.outcome.reason.partition("\n  deployed ")
    assert "compiled against testing:fibo/fibo.fibo: func(n: u8) -> result<u64>" in before
    assert "func(n: u" in after
    assert after not in before


async def test_a_child_that_waited_while_its_signature_changed_is_rejected_when_it_would_start(
    site: Any, workflow: Any, eventually: Any
) -> None:
    service = await site.start(workflow("fibo_workflow_tiny"), fibo(ENDLESS))
    submitted = await service.submit(FIBOA, [10, 1])
    await eventually(lambda: len(site.attempts("fibo.fibo")) == 1)
    await eventually(lambda: is_locked(site, ExecutionId(f"{submitted.id}.o:1_1")))
    site.die(service)
    service = await site.start(sleeper(), fibo(OTHER_RESULT))
    assert await service.wait(ExecutionId(f"{submitted.id}.o:1_1"))
    await assert_rejected(site, submitted.id, "o:1")


async def is_locked(site: Any, execution_id: ExecutionId) -> bool:
    return isinstance((await site.store.get(execution_id)).status, proj.Locked)


# Reload


async def test_a_workflow_whose_function_is_no_longer_deployed_goes_on_and_new_ones_are_refused(
    site: Any, sleeping: Any, activity: Any
) -> None:
    service, id_ = await sleeping()
    service._node.workflows[id_].evict()
    assert not await service.deploy([activity("fibo_tiny")])
    with pytest.raises(FunctionNotFound):
        await service.submit(SLEEP, [1])
    await service.cancel(delay_of(id_), "wake up")
    assert await service.wait(id_) == ev.Err(None)


async def test_an_attempt_takes_the_digest_deployed_when_it_starts_and_a_running_one_keeps_its_own(
    site: Any, eventually: Any
) -> None:
    slow = variant("fibo_tiny", ENDLESS)
    settings = ComponentSettings("fibo", ComponentKind.ACTIVITY, "fibo.wasm", attempt_timeout=300_000, retries=SOON)
    service = await site.start((settings, slow))
    submitted = await service.submit(FIBO, [10])
    await eventually(lambda: is_locked(site, submitted.id))
    assert not await service.deploy([fibo()])
    assert await service.wait(submitted.id) == ev.Ok("89")
    locks = [event for event in await site.log(submitted.id) if isinstance(event, ev.Locked)]
    assert [lock.digest for lock in locks] == [digest_of(slow), digest_of(fibo()[1])]


async def test_a_broken_deployment_changes_nothing(site: Any, sleeping: Any) -> None:
    service, id_ = await sleeping()
    before = service.components, service.functions
    settings, _ = sleeper()
    problems = await service.deploy([(settings, b"no component")])
    assert "sleeper" in str(problems[0])
    assert (service.components, service.functions) == before
    await service.cancel(delay_of(id_), "wake up")
    assert await service.wait(id_) == ev.Err(None)


async def test_other_limits_are_taken_while_work_runs(site: Any, sleeping: Any, activity: Any) -> None:
    service, _ = await sleeping()
    service.limit(replace(service._node.limits, activities_max=1, workflows_max=1))
    assert not await service.deploy([sleeper(), activity("fibo_tiny")])
    submitted = await service.submit(FIBO, [10])
    assert await service.wait(submitted.id) == ev.Ok("89")


# Nondeterminism


class ForgedEngine:
    """An engine that runs other code than the bytes say: a host whose behaviour changed under a recorded history."""

    def __init__(self, engine: Any, forged: dict[bytes, bytes]) -> None:
        self._engine = engine
        self._forged = forged
        self.engine = engine.engine
        self.begun = engine.begun

    async def compile(self, wasm: bytes) -> Any:
        return Forged(await self._engine.compile(self._forged.get(wasm, wasm)), digest_of(wasm))

    async def close(self) -> None:
        pass


class Forged:
    def __init__(self, compiled: Any, digest: str) -> None:
        self._compiled = compiled
        self.digest = digest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)


@pytest.fixture
def forge(site: Any) -> Any:
    """From now on the bytes of `old` run as those of `new`."""
    real = site.engine

    def replace_engine(old: bytes, new: bytes) -> None:
        site.engine = ForgedEngine(real, {old: new})

    yield replace_engine
    site.engine = real


async def test_nondeterminism_on_resume_pauses_with_the_diff_and_after_a_repaired_deployment_resume_goes_on(
    site: Any, sleeping: Any, eventually: Any, forge: Any
) -> None:
    service, id_ = await sleeping()
    site.die(service)
    forge(sleeper()[1], variant("sleeper", SLEEPS_SECONDS))
    service = await site.start(sleeper())
    await eventually(lambda: paused(site, id_))
    (reason,) = [event.reason for event in await site.log(id_) if isinstance(event, ev.Paused)]
    assert "nondeterminism at version 2" in reason
    assert "the log recorded delay-submitted(join_set=o:1, asked=3600000000," in reason
    assert "the workflow asked for delay-submitted(join_set=o:1, asked=3600000000000," in reason
    assert ", at " in reason
    assert await site.store.responses(id_) == [], "nothing is cancelled"
    await service.resume(id_, "try again")
    await eventually(lambda: paused(site, id_))
    assert not await service.deploy([sleeper(SLEEPS_TWICE)])
    await service.resume(id_, "repaired")
    await eventually(lambda: held_asleep(site, id_))
    assert (await site.store.get(id_)).digest == digest_of(sleeper(SLEEPS_TWICE)[1])
    await service.cancel(delay_of(id_), "wake up")
    await eventually(lambda: sleeps_on(site, id_, "o:2"))


async def held_asleep(site: Any, id_: ExecutionId) -> bool:
    projection = await site.store.get(id_)
    return isinstance(projection.status, proj.Blocked) and projection.holder is not None


async def test_a_workflow_that_is_to_fail_on_nondeterminism_fails_with_the_diff(
    site: Any, sleeping: Any, forge: Any
) -> None:
    service, id_ = await sleeping()
    site.die(service)
    forge(sleeper()[1], variant("sleeper", SLEEPS_SECONDS))
    service = await site.start(sleeper(on_nondeterminism=OnNondeterminism.FAIL))
    outcome = await service.wait(id_)
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.NONDETERMINISM
    assert "nondeterminism at version 2" in outcome.reason
    assert outcome.backtrace


# Poison


async def test_a_workflow_that_ran_during_three_deaths_in_a_row_is_paused_with_that_reason(
    site: Any, eventually: Any
) -> None:
    service = await site.start(sleeper(SPINS))
    submitted = await service.submit(SLEEP, [1])
    for _ in range(3):
        assert not await paused(site, submitted.id)
        await eventually(lambda: is_locked(site, submitted.id))
        site.die(service)
        service = await site.start(sleeper(SPINS))
    await eventually(lambda: paused(site, submitted.id))
    reasons = [event.reason for event in await site.log(submitted.id) if isinstance(event, ev.Paused)]
    assert reasons == ["it was running when the process died, 3 times in a row; if it is not to blame, resume it"]
    await service.resume(submitted.id, "it is not")
    await eventually(lambda: is_locked(site, submitted.id))
    site.die(service)
    service = await site.start(sleeper(SPINS))
    await eventually(lambda: is_locked(site, submitted.id))
    assert not await paused(site, submitted.id)


async def test_a_workflow_that_waited_during_any_number_of_deaths_goes_on(
    site: Any, sleeping: Any, eventually: Any
) -> None:
    service, id_ = await sleeping()
    for _ in range(5):
        site.die(service)
        service = await site.start(sleeper())
        await eventually(lambda: held_asleep(site, id_))
        await eventually(lambda: len(site.attempts("sleep")) > 1)
    assert not await paused(site, id_)
    await service.cancel(delay_of(id_), "wake up")
    assert await service.wait(id_) == ev.Err(None)


async def test_an_activity_that_ran_during_three_deaths_in_a_row_is_paused_with_that_reason(
    site: Any, eventually: Any
) -> None:
    service = await site.start(fibo(ENDLESS))
    submitted = await service.submit(FIBO, [10])
    for attempt in range(1, 4):
        await eventually(lambda attempt=attempt: len(site.attempts("fibo.fibo")) == attempt)
        await eventually(lambda: is_locked(site, submitted.id))
        site.die(service)
        service = await site.start(fibo(ENDLESS))
    await eventually(lambda: paused(site, submitted.id))
    assert len(site.attempts("fibo.fibo")) == 3
    assert not await service.deploy([fibo()])
    await service.resume(submitted.id, "repaired")
    assert await service.wait(submitted.id) == ev.Ok("89")


async def test_an_activity_that_is_paused_while_it_is_put_aside_rests_and_runs_when_it_is_resumed(
    site: Any, noted: Any, eventually: Any
) -> None:
    limits = RuntimeLimits(poll=20_000, shutdown=200_000, deaths_max=1)
    service = await site.start(fibo(ENDLESS), limits=limits)
    submitted = await service.submit(FIBO, [10])
    await eventually(lambda: site.attempts("fibo.fibo"))
    await eventually(lambda: is_locked(site, submitted.id))
    site.die(service)
    store = noted(site.store)
    gate = store.hold("append", lambda append: len(append.events) == 2)
    service = await site.start(fibo(), limits=limits, store=store)
    await eventually(lambda: store.appends)
    await service.pause(submitted.id, "a person")
    gate.set()

    async def rests() -> bool:
        return isinstance((await site.store.get(submitted.id)).status, proj.Pending)

    await eventually(rests)
    assert await paused(site, submitted.id)
    assert len(site.attempts("fibo.fibo")) == 1
    await service.resume(submitted.id, "it is not to blame")
    assert await service.wait(submitted.id) == ev.Ok("89")


async def test_shutdowns_are_no_deaths(site: Any, eventually: Any) -> None:
    service = await site.start(sleeper(SPINS))
    submitted = await service.submit(SLEEP, [1])
    for _ in range(4):
        await eventually(lambda: is_locked(site, submitted.id))
        await service.stop()
        site.services.remove(service)
        service = await site.start(sleeper(SPINS))
    await eventually(lambda: is_locked(site, submitted.id))
    assert not await paused(site, submitted.id)


# Upgrades of what runs


def steps(*changes: tuple[str, str]) -> tuple[ComponentSettings, bytes]:
    wasm = variant("fibo_workflow_tiny", *changes)
    return ComponentSettings("fibo-workflow", ComponentKind.WORKFLOW, "fibo_workflow.wasm"), wasm


MORE_MEMORY = ('(memory (export "mem") 1)', '(memory (export "mem") 2)')


@pytest.mark.parametrize(("function", "iterations"), [(FIBOA, 150), (Ffqn.parse(FIBOA.text + "-concurrent"), 1_500)])
async def test_a_running_workflow_is_upgraded_back_and_forth_and_ends_once_with_its_result(
    site: Any, activity: Any, function: Ffqn, iterations: int
) -> None:
    versions = steps(), steps(MORE_MEMORY)
    service = await site.start(versions[1], activity("fibo_tiny"))
    assert not await service.deploy([versions[0], activity("fibo_tiny")])
    submitted = await service.submit(function, [10, iterations])
    results: list[UpgradeResult] = []
    for number in range(1, 100):
        await service.pause(submitted.id, "steady")
        assert not await service.deploy([versions[number % 2], activity("fibo_tiny")])
        results.append((await service.upgrade(submitted.id)).result)
        if results[-1] is UpgradeResult.ALREADY_FINISHED:
            break
        await service.resume(submitted.id, "go on")
        assert not await service.deploy([versions[(number + 1) % 2], activity("fibo_tiny")])
        results.append((await service.upgrade(submitted.id)).result)
    assert await service.wait(submitted.id) == ev.Ok("89")
    assert UpgradeResult.UPGRADED in results
    story = await read_story(site.store, submitted.id)
    log = [entry.event for entry in story.log]
    assert sum(isinstance(event, ev.Finished) for event in log) == 1
    assert sum(isinstance(event, ev.Upgraded) for event in log) == results.count(UpgradeResult.UPGRADED)
    assert fold(submitted.id, story.log, story.responses) == story.projection
    assert isinstance(await service.replay(submitted.id), Matches)


def racer(*changes: tuple[str, str]) -> tuple[ComponentSettings, bytes]:
    return ComponentSettings("racer", ComponentKind.WORKFLOW, "racer.wasm"), variant("racer", *changes)


RACE = Ffqn.parse("testing:racer/racer.race")
SUBMITS_ANOTHER = ("(local.get $set) (local.get $mode)", "(local.get $set) (i32.const 4 (; endless ;))")


@pytest.mark.parametrize("refused_before", [False, True])
async def test_an_attempt_that_began_early_does_not_answer_for_what_an_upgraded_parent_submits_instead(
    site: Any, activity: Any, noted: Any, eventually: Any, refused_before: bool
) -> None:
    store = noted(FullAtFirst(site.store, full=refused_before))
    flaky = activity("flaky", attempt_timeout=600_000_000)
    service = await site.start(racer(), flaky, store=store)
    submitted = await service.submit(RACE, [HOUR, "spin", 1_000_000_000, HOUR, "close"])
    await eventually(lambda: blocked(site, submitted.id))
    assert not await service.deploy([racer(SUBMITS_ANOTHER), flaky])
    gate = store.hold("append", lambda append: bool(append.children) and not store._store.full)
    await service.cancel(DelayId(f"Delay_{submitted.id[2:]}.o:1_1"), "wake")
    await eventually(lambda: site.attempts("flaky.run"))
    assert (await service.upgrade(submitted.id)).result is UpgradeResult.UPGRADED
    await eventually(lambda: sum(bool(append.children) for append in store.appends) > refused_before)
    gate.set()
    child = ExecutionId(f"{submitted.id}.g:1_1")

    async def replaced() -> bool:
        """The new attempt runs and the old one does not; or that has answered."""
        try:
            events = len(await site.log(child))
        except ExecutionNotFound:
            return False
        return events > 2 or (len(site.attempts("flaky.run")) == 2 and site.engine.engine.guests == 2)

    await eventually(replaced)
    created, *others = await site.log(child)
    assert isinstance(created, ev.Created)
    assert created.params == '["endless",1000000000]'
    assert [type(event) for event in others] == [ev.Locked]
    await service.cancel(child, "enough")
    assert isinstance(await service.wait(child), ev.Failed)
    assert await service.wait(submitted.id) == ev.Ok('"activity"')
    assert not service._node.attempts


class FullAtFirst:
    """A store that refuses the first write of children if its disk is `full`, which it is no longer then."""

    def __init__(self, store: Any, *, full: bool) -> None:
        self._store = store
        self.full = full

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, append: Any) -> Any:
        if append.children and self.full:
            self.full = False
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(StoreUnavailable("the disk is full"))
            return refused
        return self._store.append(append)


async def blocked(site: Any, execution_id: ExecutionId) -> bool:
    return isinstance((await site.store.get(execution_id)).status, proj.Blocked)


async def test_reloads_under_load_lose_nothing_and_pause_nothing(site: Any) -> None:
    versions = (steps(), fibo()), (steps(MORE_MEMORY), fibo(("(memory (export", "(memory $more (export")))
    service = await site.start(*versions[0])
    submitted: list[Any] = []
    for number in range(1, 30):
        submitted += [await service.submit(FIBOA, [10, 5]), await service.submit(FIBO, [10])]
        assert not await service.deploy(versions[number % 2])
    for item in submitted:
        assert await service.wait(item.id) == ev.Ok("89")
        assert not any(isinstance(event, ev.Paused) for event in await site.log(item.id))
