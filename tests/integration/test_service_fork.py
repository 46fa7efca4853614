"""A fork goes on from a version of another execution's history; what that had done is not done again."""

import asyncio
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.forking import CannotFork
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import Digest, ExecutionId, is_delay
from obelisk_runtime.ports.store import ExecutionFilter
from obelisk_runtime.service import BytesMissing, NotAWorkflow
from obelisk_runtime.service.components.deployed import digest_of

FIBOA = "testing:fibo-workflow/workflow.fiboa"
CONCURRENT = "testing:fibo-workflow/workflow.fiboa-concurrent"
STEPS = 500
EVERYTHING = ExecutionFilter(top_level_only=False)


@pytest.fixture
def fibo(workflow: Any, activity: Any) -> tuple[Any, ...]:
    return activity("fibo_tiny"), workflow("fibo_workflow_tiny")


async def outcome_of(service: Any, id_: ExecutionId) -> ev.Outcome:
    async with asyncio.timeout(120):
        return await service.wait(id_)


async def check(site: Any, *ids: ExecutionId) -> None:
    """What is stored is what log and responses say."""
    for id_ in ids:
        log = [entry for start in range(0, 5_000, 1_000) for entry in await site.store.log(id_, start=start)]
        responses = [
            entry for after in range(0, 5_000, 1_000) for entry in await site.store.responses(id_, after=after)
        ]
        assert await site.store.get(id_) == fold(id_, log, responses)


async def test_a_fork_reuses_what_is_recorded_before_the_version_and_runs_the_rest(
    site: Any, fibo: Any, run: Any
) -> None:
    service = await site.start(*fibo)
    origin, _ = await run(service, FIBOA, [10, STEPS])
    before = await site.log(origin), len(site.attempts("fibo.fibo"))
    version = 2 + STEPS // 2
    forked = await service.trees.fork(ExecutionId(origin), version)
    assert await outcome_of(service, forked) == ev.Ok("89")
    assert len(site.attempts("fibo.fibo")) - before[1] == STEPS - STEPS // 2
    assert all(begun.execution_id.startswith(forked) for begun in site.attempts("fibo.fibo")[before[1] :])
    assert await site.log(origin) == before[0]
    assert (await site.log(forked))[1:version] == before[0][1:version]
    await check(site, ExecutionId(origin), forked)


async def test_children_submitted_but_not_consumed_are_created_afresh(site: Any, fibo: Any, run: Any) -> None:
    service = await site.start(*fibo)
    origin, _ = await run(service, CONCURRENT, [10, 6])
    log = await site.log(origin)
    awaits = [version for version, event in enumerate(log) if isinstance(event, ev.AwaitedNext)]
    before = len(site.attempts("fibo.fibo"))
    forked = await service.trees.fork(ExecutionId(origin), awaits[2])
    assert await outcome_of(service, forked) == ev.Ok("89")
    consumed = [response.id for response in (await site.store.responses(ExecutionId(origin)))[:2]]
    again = {begun.execution_id.removeprefix(forked) for begun in site.attempts("fibo.fibo")[before:]}
    assert len(again) == 4
    assert not again & {id_.removeprefix(origin) for id_ in consumed}
    await check(site, forked)


async def test_a_fork_survives_a_restart(site: Any, fibo: Any, run: Any) -> None:
    service = await site.start(*fibo)
    origin, _ = await run(service, FIBOA, [10, 8])
    forked = await service.trees.fork(ExecutionId(origin), 5)
    await site.die_and_reopen(service)
    again = await site.start(*fibo)
    assert await outcome_of(again, forked) == ev.Ok("89")
    await check(site, forked)


async def test_a_fork_draws_the_same_random_values(site: Any, workflow: Any, activity: Any, run: Any) -> None:
    service = await site.start(activity("recorder"), workflow("dice"))
    origin, rolled = await run(service, "testing:dice/dice.roll", ["key"])
    forked = await service.trees.fork(ExecutionId(origin), 1)
    assert await outcome_of(service, forked) == rolled


async def test_a_sleep_that_was_not_over_begins_anew(site: Any, workflow: Any, run: Any) -> None:
    service = await site.start(workflow("sleeper"))
    origin, _ = await run(service, "testing:sleeper/sleeper.sleep", [50])
    log = await site.log(origin)
    version = next(version for version, event in enumerate(log) if isinstance(event, ev.DelaySubmitted))
    awake = await service.trees.fork(ExecutionId(origin), version + 1)
    assert isinstance(await outcome_of(service, awake), ev.Ok)
    (response,) = await site.store.responses(awake)
    assert is_delay(response.id)
    asleep = await service.trees.fork(ExecutionId(origin), version)
    assert isinstance(await outcome_of(service, asleep), ev.Ok)
    assert (await site.store.responses(asleep))[0].at > response.at


async def test_a_fork_may_go_on_with_other_code(site: Any, built: Any, fibo: Any, run: Any) -> None:
    service = await site.start(*fibo)
    origin, _ = await run(service, FIBOA, [10, 4])
    other = built("fibo_workflow_tiny") + bytes([0, 2, 1, 120])  # a custom section: the same code, another digest
    forked = await service.trees.fork(ExecutionId(origin), 3, other)
    assert await outcome_of(service, forked) == ev.Ok("89")
    digest = (await site.store.get(forked)).digest
    assert digest != (await site.store.get(ExecutionId(origin))).digest
    assert await site.store.get_component(digest) == other
    by_digest = await service.trees.fork(ExecutionId(origin), 3, digest)
    assert await outcome_of(service, by_digest) == ev.Ok("89")


async def test_code_without_the_function_is_refused(site: Any, fibo: Any, run: Any, built: Any) -> None:
    service = await site.start(*fibo)
    origin, _ = await run(service, FIBOA, [10, 4])
    with pytest.raises(CannotFork, match="does not export"):
        await service.trees.fork(ExecutionId(origin), 4, built("sleeper"))


OTHER_PARAMETERS = """(component
  (core module $m (func (export "fiboa") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $fiboa (result (result)) (canon lift (core func $i "fiboa")))
  (instance $x (export "fiboa" (func $fiboa)))
  (export "testing:fibo-workflow/workflow" (instance $x)))"""


async def test_code_whose_function_takes_other_parameters_is_refused(site: Any, fibo: Any, run: Any) -> None:
    service = await site.start(*fibo)
    origin, _ = await run(service, FIBOA, [10, 4])
    other = bytes(wat2wasm(OTHER_PARAMETERS))
    with pytest.raises(CannotFork, match="does not fit"):
        await service.trees.fork(ExecutionId(origin), 4, other)
    assert await site.store.get_component(digest_of(other)) is None


async def test_what_has_no_history_to_go_on_from_is_refused(site: Any, fibo: Any, run: Any) -> None:
    service = await site.start(*fibo)
    origin, _ = await run(service, FIBOA, [10, 2])
    with pytest.raises(CannotFork):
        await service.trees.fork(ExecutionId(origin), 99)
    with pytest.raises(NotAWorkflow):
        await service.trees.fork(ExecutionId(f"{origin}.o:1_1"), 1)
    with pytest.raises(BytesMissing):
        await service.trees.fork(ExecutionId(origin), 3, Digest("sha256:" + "00" * 32))


@pytest.mark.parametrize("made", [False, True], ids=["last write lost", "last write made"])
async def test_a_killed_process_forks_as_a_whole_or_not_at_all(
    site: Any, fibo: Any, run: Any, dying_at: Any, made: bool
) -> None:
    store = dying_at(site.store, "graft", made=made)
    dying = await site.start(*fibo, store=store)
    origin, _ = await run(dying, CONCURRENT, [10, 3])
    before = {item.id for item in (await site.store.list(EVERYTHING)).items}
    forking = asyncio.ensure_future(dying.trees.fork(ExecutionId(origin), 5))
    async with asyncio.timeout(120):
        await store.died.wait()
    site.die(dying)
    forking.cancel()
    await asyncio.gather(forking, return_exceptions=True)
    service = await site.start(*fibo)
    found = {item.id for item in (await site.store.list(EVERYTHING)).items} - before
    assert bool(found) is made
    for id_ in found:
        assert await outcome_of(service, id_) == ev.Ok("89")
        await check(site, id_)
