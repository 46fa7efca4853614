"""Workflows that use WASI: each replay sees the same, whoever replays, and what they print is kept once."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.service import Matches

RUN = "testing:clockwork/clockwork.run"
WANDER = "testing:wanderer/wanderer.wander"
WRITES_MAX = 40

CLOCKWORK = r"""(component
  (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/poll@0.2.1" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.2" (instance $streams
    (alias outer 1 $error (type $outer-error))
    (export "error" (type $e (eq $outer-error)))
    (type $stream-error' (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "output-stream" (type $output (sub resource)))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdout@0.2.99" (instance $stdout
    (alias outer 1 $output-stream (type $outer-output))
    (export "output-stream" (type $output (eq $outer-output)))
    (export "get-stdout" (func (result (own $output))))))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $clock
    (alias outer 1 $pollable (type $outer-pollable))
    (export "pollable" (type $p (eq $outer-pollable)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (import "wasi:random/random@0.2.4" (instance $random (export "get-random-u64" (func (result u64)))))
  (core module $memory
    (memory (export "mem") 1)
    (data (i32.const 512) "first\nhalf")
    (data (i32.const 528) " and half\n")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 256)))
  (core instance $m (instantiate $memory))
  (core func $wait (canon lower (func $poll "poll")
    (memory (core memory $m "mem")) (realloc (core func $m "realloc"))))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $now (canon lower (func $clock "now")))
  (core func $draw (canon lower (func $random "get-random-u64")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory (core memory $m "mem")) (realloc (core func $m "realloc"))))
  (core module $program
    (import "m" "mem" (memory 1))
    (import "h" "wait" (func $wait (param i32 i32 i32)))
    (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "h" "now" (func $now (result i64)))
    (import "h" "draw" (func $draw (result i64)))
    (import "h" "get-stdout" (func $get-stdout (result i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (func $first-of-two (param $late i64) (param $early i64) (result i32)
      (i32.store (i32.const 0) (call $subscribe (local.get $late)))
      (i32.store (i32.const 4) (call $subscribe (local.get $early)))
      (call $wait (i32.const 0) (i32.const 2) (i32.const 16))
      (i32.load (i32.load (i32.const 16))))
    (func (export "run") (result i32) (local $stdout i32) (local $began i64) (local $won i32)
      (local.set $stdout (call $get-stdout))
      (local.set $began (call $now))
      (call $write (local.get $stdout) (i32.const 512) (i32.const 10) (i32.const 32))
      (local.set $won (call $first-of-two (i64.const 3600000000000) (i64.const 2000000)))
      (call $write (local.get $stdout) (i32.const 528) (i32.const 10) (i32.const 32))
      (local.set $won (i32.add (local.get $won)
        (call $first-of-two (i64.const 3600000000000) (i64.const 1000000))))
      (i32.store8 (i32.const 64) (i32.or
        (i32.ne (local.get $won) (i32.const 2))
        (i64.lt_u (i64.sub (call $now) (local.get $began)) (i64.const 3000000))))
      (i64.store (i32.const 72) (i64.xor (i64.mul (call $draw) (i64.const 3)) (call $draw)))
      (i32.const 64)))
  (core instance $p (instantiate $program (with "m" (instance $m)) (with "h" (instance
    (export "wait" (func $wait)) (export "subscribe" (func $subscribe)) (export "now" (func $now))
    (export "draw" (func $draw)) (export "get-stdout" (func $get-stdout)) (export "write" (func $write))))))
  (func $run (result (result u64))
    (canon lift (core func $p "run") (memory (core memory $m "mem"))))
  (instance $e (export "run" (func $run)))
  (export "testing:clockwork/clockwork" (instance $e)))"""


@pytest.fixture
def storage() -> str:
    return "sqlite"


async def test_waiting_for_the_first_of_two_clocks_is_one_durable_delay(
    site: Any, text_workflow: Any, run: Any
) -> None:
    service = await site.start(text_workflow(CLOCKWORK))
    execution_id, outcome = await run(service, RUN, [])
    assert isinstance(outcome, ev.Ok), outcome
    delays = [event for event in await site.log(execution_id) if isinstance(event, ev.DelaySubmitted)]
    assert [(delay.asked, delay.relative) for delay in delays] == [(2_000, True), (1_000, True)]
    assert await site.lines(execution_id) == ["first", "half and half"]
    assert isinstance(await service.replay(execution_id), Matches)


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
@pytest.mark.parametrize("made", [False, True], ids=["last write lost", "last write made"])
async def test_killed_at_any_write_it_ends_alike_and_has_printed_once(
    site: Any, text_workflow: Any, mortal: Any, run: Any, *, made: bool
) -> None:
    component = text_workflow(CLOCKWORK)
    for lives in range(3, WRITES_MAX):
        id_ = ExecutionId(f"E_01J00000000000000000000{lives:03}")
        store = mortal(site.store, lives, last_write_is_made=made)
        first = await site.start(component, store=store)
        ended = asyncio.ensure_future(run(first, RUN, [], id_))
        died = asyncio.ensure_future(store.died.wait())
        await asyncio.wait((ended, died), return_when=asyncio.FIRST_COMPLETED, timeout=120)
        survived = not store.died.is_set()
        for task in (ended, died):
            task.cancel()
        await asyncio.gather(ended, died, return_exceptions=True)
        site.die(first)
        second = await site.start(component)
        _, outcome = await run(second, RUN, [], id_)
        assert isinstance(outcome, ev.Ok), outcome
        assert await site.lines(id_) == ["first", "half and half"]
        assert isinstance(await second.replay(id_), Matches)
        await second.stop()
        site.services.remove(second)
        if survived:
            return
    raise AssertionError("it never ended without a kill")


REPLAYS = """
import asyncio, json, sys
from pathlib import Path
from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.service import Service
from obelisk_runtime.service import Matches
from obelisk_runtime.storage.sqlite import SqliteStore
from obelisk_runtime.system import SystemClock, SystemIds
from obelisk_server.compose import Wasi

async def main(database, cache, executions):
    store = await SqliteStore.open(Path(database))
    engine = WasmtimeEngine(Path(cache), EngineSettings(guests_max=256))
    try:
        service = Service(
            store=store, engine=engine, clock=SystemClock(), ids=SystemIds(), library=Wasi(), limits=RuntimeLimits()
        )
        replayed = [await service.replay(ExecutionId(execution)) for execution in executions]
        print(json.dumps([str(found) for found in replayed if not isinstance(found, Matches)]))
    finally:
        await engine.close()
        await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
"""


async def test_a_join_set_that_was_dropped_is_closed_before_a_clock_is_waited_for(
    site: Any, activity: Any, workflow: Any, run: Any
) -> None:
    """Each step of the workflow waits on the clock, and ends with dropping its join set."""
    service = await site.start(activity("fibo_tiny"), workflow("wanderer_python"))
    execution_id, _ = await run(service, WANDER, [2])
    log = [type(event) for event in await site.log(execution_id)]
    first_wait, second_wait = (place for place, kind in enumerate(log) if kind is ev.DelaySubmitted)
    assert first_wait < log.index(ev.JoinSetCreated) < log.index(ev.JoinSetClosed) < second_wait


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_an_ordinary_workflow_replays_in_another_process_a_hundred_times_of_a_hundred(
    site: Any, activity: Any, workflow: Any, run: Any, compiled: Path, tmp_path: Path, language: str
) -> None:
    """It reads the clock, draws randoms, prints, sleeps and calls an activity."""
    service = await site.start(activity("fibo_tiny"), workflow(f"wanderer_{language}"))
    runs: list[tuple[str, ev.Ok]] = []
    for begun in range(0, 100, 10):
        together = (run(service, WANDER, [1 + number % 3]) for number in range(begun, begun + 10))
        runs += await asyncio.gather(*together)
    assert len({outcome.value for _, outcome in runs}) == 100, "each draws other randoms, at another time"
    ids = [execution_id for execution_id, _ in runs]
    printed = [await site.lines(id_) for id_ in ids]
    assert [len(lines) for lines in printed] == [1 + number % 3 for number in range(100)]
    site.services.remove(service)
    await service.stop()
    await site.store.close()
    arguments = [sys.executable, "-c", REPLAYS, str(tmp_path / "obelisk.sqlite"), str(compiled), *ids]
    process = await create_subprocess_exec(*arguments, stdout=PIPE)
    answer, _ = await process.communicate()
    assert (process.returncode, json.loads(answer)) == (0, [])
    site.store = await site.reopen()
    assert [await site.lines(id_) for id_ in ids] == printed
