"""Where a workflow stood at each event of its log: calls, answers, join sets, logs, frames; and nothing is written."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, StubSettings
from obelisk_runtime.core.history import SetClosed, Taken
from obelisk_runtime.core.ids import Digest, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.rehearsal import Waits
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.ports.store import ExecutionNotFound
from obelisk_runtime.service import BytesMissing, Differs, EventNotFound, NotAWorkflow, TooManyReplays, Unfit
from obelisk_runtime.service.replay import room
from obelisk_runtime.service.replay.scene import Progress, SourceFrame, Symbol, Told
from obelisk_runtime.service.replay.story import read_story
from obelisk_runtime.testing.clock import SECOND, VirtualClock

COMPONENTS = Path(__file__).parents[2] / "components"
SLEEP = Ffqn.parse("testing:sleeper/sleeper.sleep")
SCRIPT = Ffqn.parse("testing:script-workflow/script.run")
STUB = StubSettings(
    Ffqn.parse("testing:approval/desk.decide"), parse_function("func(order: u64) -> result<bool, string>")
)
HOUR = 3_600 * SECOND


def variant(name: str, *changes: tuple[str, str]) -> bytes:
    text = (COMPONENTS / name / "component.wat").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return bytes(wat2wasm(text))


NAMED = (
    (
        '(func (export "sleep") (param $milliseconds i64) (result i32)',
        """(func (export "sleep") (param $milliseconds i64) (result i32) (call $nap (local.get $milliseconds)))
    (func $nap (param $milliseconds i64) (result i32)""",
    ),
)
"""The sleep is in a function of its own."""
TRAPS = ("(i32.load8_u (i32.const 0))))", "(unreachable)))")
OTHER = ("(i64.const 0 (; milliseconds ;))", "(i64.const 1 (; seconds ;))")
SPINS = ("(call $sleep\n", "(loop $again (br $again)) (call $sleep\n")


def sleeper(*changes: tuple[str, str]) -> tuple[ComponentSettings, bytes]:
    return ComponentSettings("sleeper", ComponentKind.WORKFLOW, "sleeper.wasm"), variant("sleeper", *changes)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def waits(site: Any, execution_id: ExecutionId) -> bool:
    return isinstance((await site.store.get(execution_id)).status, proj.Blocked)


def index(log: list[ev.Event], kind: type[Any], nth: int = 0) -> int:
    return [version for version, event in enumerate(log) if isinstance(event, kind)][nth]


@pytest.fixture
def asleep(site: Any, clock: VirtualClock, eventually: Any) -> Any:
    async def begun(*changes: tuple[str, str]) -> Any:
        service = await site.start(sleeper(*changes), clock=clock)
        submitted = await service.submit(SLEEP, [3_600_000])
        await eventually(lambda: waits(site, submitted.id))
        return service, submitted.id

    return begun


async def test_a_guest_is_seen_in_the_call_that_it_waits_in_with_its_frames_by_name(
    site: Any, asleep: Any, clock: VirtualClock
) -> None:
    service, id_ = await asleep(*NAMED)
    scene = await service.debug(id_, 2)
    assert isinstance(scene.event.event, ev.DelaySubmitted)
    assert (scene.call.version, scene.call.got) == (2, Waits())
    assert "asked=3600000000" in scene.call.asked
    assert scene.now == clock.now()
    assert scene.backtrace[0].startswith("nap at ")
    (one_off,) = scene.join_sets
    assert (one_off.id, one_off.closing, one_off.total) == ("o:1", False, 1)
    (delay,) = one_off.members
    assert (delay.id, delay.function, delay.progress) == (f"Delay_{id_[2:]}.o:1_1", None, Progress.WAITING)
    assert scene.difference is None
    assert site.engine.engine.guests == 1


async def test_what_a_call_got_later_is_told_and_at_that_moment_it_was_waited_for(
    asleep: Any, clock: VirtualClock
) -> None:
    service, id_ = await asleep()
    clock.advance(HOUR)
    assert await service.wait(id_) == ev.Ok(None)
    scene = await service.debug(id_, 2)
    assert isinstance(scene.call.got, Taken)
    assert isinstance(scene.call.got.response.result, ev.DelayDue)
    assert scene.join_sets[0].members[0].progress is Progress.WAITING
    last = await service.debug(id_, 3)
    assert isinstance(last.event.event, ev.Finished)
    assert (last.call, last.end, last.difference) == (None, "to return ok()", None)
    assert last.now == clock.now()


async def test_before_its_first_call_a_guest_is_nowhere(asleep: Any) -> None:
    service, id_ = await asleep()
    for version, kind in ((0, ev.Created), (1, ev.Locked)):
        scene = await service.debug(id_, version)
        assert isinstance(scene.event.event, kind)
        assert (scene.call, scene.join_sets, scene.backtrace, scene.end) == (None, (), (), None)


async def test_at_an_event_that_is_no_call_the_guest_stands_in_the_latest_one(asleep: Any) -> None:
    service, id_ = await asleep()
    await service.pause(id_, "a person")
    scene = await service.debug(id_, 3)
    assert isinstance(scene.event.event, ev.Paused)
    assert (scene.call.version, scene.call.got) == (2, Waits())


async def test_a_trap_is_seen_with_its_reason_and_its_frames(asleep: Any, clock: VirtualClock) -> None:
    service, id_ = await asleep(*NAMED, TRAPS)
    clock.advance(HOUR)
    outcome = await service.wait(id_)
    assert isinstance(outcome, ev.Failed)
    scene = await service.debug(id_, 3)
    assert "unreachable" in (scene.end or "")
    assert scene.backtrace == outcome.backtrace
    assert scene.backtrace[0].startswith("nap at ")


SOURCE = """
join_set = support.join_set_create_named("orders")
log.info("created")
one = desk_ext.decide_submit(join_set, 1)
support.submit_delay(join_set, time.ScheduleAt_In(time.Duration_Hours(1)))
two = desk_ext.decide_submit(join_set, 2)
log.warn("drew " + str(support.random_u64(5, 6)))
answer = [str(support.join_next(join_set)), support.execution_id_generate().id]
answer.append(str(support.join_next(join_set)))
support.join_set_close(join_set)
"""


async def test_every_event_of_a_python_workflow_can_be_stepped_to_and_back(
    site: Any, workflow: Any, activity: Any, clock: VirtualClock, eventually: Any, tmp_path: Path
) -> None:
    service = await site.start(workflow("script_workflow"), activity("fibo_tiny"), stubs=[STUB], clock=clock)
    id_ = (await service.submit(SCRIPT, [dedent(SOURCE)])).id
    await eventually(lambda: waits(site, id_))
    second = ExecutionId(f"{id_}.n:orders_3")
    await service.stub(second, '{"ok":true}')
    await eventually(lambda: awaits_the_next(site, id_))
    clock.advance(HOUR)
    outcome = await service.wait(id_)
    assert isinstance(outcome, ev.Ok), outcome
    before = await everything(site, id_, tmp_path / "obelisk.sqlite")
    log = await site.log(id_)
    scenes = {version: await service.debug(id_, version) for version in reversed(range(len(log)))}
    assert await everything(site, id_, tmp_path / "obelisk.sqlite") == before, "nothing is written"
    got = {
        ev.JoinSetCreated: Told("n:orders"), ev.ChildSubmitted: Told(f"{id_}.n:orders_1"),
        ev.DelaySubmitted: Told(f"Delay_{id_[2:]}.n:orders_2"), ev.RandomDrawn: Told("5"),
        ev.JoinSetClosed: SetClosed(),
    }  # fmt: skip
    for kind, expected in got.items():
        assert scenes[index(log, kind)].call.got == expected
    generated = log[index(log, ev.IdGenerated)]
    assert scenes[index(log, ev.IdGenerated)].call.got == Told(generated.id)
    first = scenes[index(log, ev.AwaitedNext)]
    assert (first.call.got.response.id, [record.message for record in first.records]) == (
        second, ["created", "drew 5"],
    )  # fmt: skip
    assert [record.level.value for record in first.records] == ["info", "warn"]
    assert [(member.progress.value, member.position) for member in first.join_sets[0].members] == [
        ("waiting", None), ("waiting", None), ("delivered", 1),
    ]  # fmt: skip
    again = scenes[index(log, ev.AwaitedNext, 1)]
    assert [member.progress.value for member in again.join_sets[0].members] == ["waiting", "waiting", "consumed"]
    assert (again.now, again.records_total) == (first.now, 2)
    closing = scenes[index(log, ev.JoinSetClosed)]
    assert (closing.join_sets[0].closing, closing.now) == (True, clock.now())
    assert len(scenes[index(log, ev.ChildSubmitted)].records) == 1
    assert all(scene.difference is None for scene in scenes.values())
    assert all(scene.backtrace for scene in scenes.values() if scene.call is not None)
    await eventually(lambda: site.engine.engine.guests == 0)


async def awaits_the_next(site: Any, id_: ExecutionId) -> bool:
    return sum(isinstance(event, ev.AwaitedNext) for event in await site.log(id_)) == 2 and await waits(site, id_)


async def everything(site: Any, id_: ExecutionId, file: Path) -> Any:
    """All that is stored of it; every row of the file, where there is one, but for heartbeats."""
    return await read_story(site.store, id_), await site.lines(id_), rows(file)


def rows(file: Path) -> list[str]:
    if not file.exists():
        return []
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return [line for line in connection.iterdump() if not line.startswith('INSERT INTO "executors"')]


async def test_another_component_that_asks_for_something_else_is_told_with_both_sides(asleep: Any) -> None:
    service, id_ = await asleep()
    assert not await service.deploy([sleeper(OTHER)])
    digest = service.components[0].digest
    scene = await service.debug(id_, 2, digest)
    assert scene.digest == digest
    assert scene.call is None
    assert isinstance(scene.difference, Differs)
    assert "asked=3600000000," in (scene.difference.recorded or "")
    assert "asked=3600000000000," in (scene.difference.asked or "")
    assert scene.backtrace == scene.difference.position != ()


async def test_a_guest_that_does_not_come_to_the_event_in_time_is_given_up(
    asleep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, id_ = await asleep()
    assert not await service.deploy([sleeper(SPINS)])
    monkeypatch.setattr("obelisk_runtime.service.replay.debugging.DEBUG_SECONDS_MAX", 0.05)
    scene = await service.debug(id_, 2, service.components[0].digest)
    assert isinstance(scene.difference, Unfit)


async def test_what_is_told_is_bounded(
    site: Any, workflow: Any, activity: Any, clock: VirtualClock, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in {"SETS_MAX": 2, "MEMBERS_MAX": 3, "RECORD_BYTES_MAX": 9, "ASKED_CHARACTERS_MAX": 20}.items():
        monkeypatch.setattr(f"obelisk_runtime.service.replay.debugging.{name}", limit)
    source = """
        sets = [support.join_set_create() for _ in range(4)]
        delays = [support.submit_delay(sets[-1], time.ScheduleAt_In(time.Duration_Hours(1))) for _ in range(5)]
        for number in range(9):
            log.info(f"line {number}")
        support.join_next(sets[-1])
    """
    service = await site.start(workflow("script_workflow"), activity("fibo_tiny"), stubs=[STUB], clock=clock)
    id_ = (await service.submit(SCRIPT, [dedent(source)])).id
    await eventually(lambda: waits(site, id_))
    scene = await service.debug(id_, (await site.store.get(id_)).version - 1)
    assert ([item.id for item in scene.join_sets], scene.join_sets_total) == (["g:3", "g:4"], 4)
    assert ([member.id[-1] for member in scene.join_sets[1].members], scene.join_sets[1].total) == (["3", "4", "5"], 5)
    assert ([record.message for record in scene.records], scene.records_total) == (["line 8"], 9)
    assert scene.call.asked.endswith(" … (cut)")


async def test_few_look_at_once_and_not_many_wait(eventually: Any) -> None:
    place = room.Room()
    inside: list[int] = []
    leave = asyncio.Event()

    async def look(number: int) -> None:
        async with place.place():
            inside.append(number)
            await leave.wait()

    async with asyncio.TaskGroup() as looking:
        for number in range(room.AT_ONCE_MAX + room.WAITING_MAX):
            looking.create_task(look(number))
        await eventually(lambda: len(inside) == room.AT_ONCE_MAX)
        with pytest.raises(TooManyReplays, match="2 replays and looks of the debugger are under way and 16 wait"):
            await look(-1)
        leave.set()
    assert sorted(inside) == list(range(room.AT_ONCE_MAX + room.WAITING_MAX))
    await look(-1)


async def test_what_cannot_be_looked_at_is_refused(site: Any, asleep: Any, activity: Any) -> None:
    service, id_ = await asleep()
    with pytest.raises(EventNotFound, match="its events are 0 to 2"):
        await service.debug(id_, 3)
    with pytest.raises(BytesMissing):
        await service.debug(id_, 2, Digest("sha256:" + "0" * 64))
    with pytest.raises(ExecutionNotFound):
        await service.debug(ExecutionId("E_01J0000000000000000000000A"), 0)
    assert not await service.deploy([activity("fibo_tiny")])
    other = await service.submit(Ffqn.parse("testing:fibo/fibo.fibo"), [1])
    with pytest.raises(NotAWorkflow):
        await service.debug(other.id, 0)


WAITS = """(component
  (import "wasi:io/poll@0.2.1" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.3" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $p (eq $outer)))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (core module $libc
    (memory (export "mem") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 256)))
  (core instance $c (instantiate $libc))
  (core func $wait (canon lower (func $poll "poll") (memory (core memory $c "mem")) (realloc (core func $c "realloc"))))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $now (canon lower (func $clock "now")))
  (core module $m
    (import "c" "mem" (memory 1))
    (import "host" "wait" (func $wait (param i32 i32 i32)))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "host" "now" (func $now (result i64)))
    (func $look (drop (call $now)))
    (func $nap (param $at i32)
      (i32.store (local.get $at) (call $subscribe (i64.const 3600000000000)))
      (i32.store offset=4 (local.get $at) (call $subscribe (i64.const 7200000000000)))
      (call $wait (local.get $at) (i32.const 2) (i32.const 16)))
    (func (export "run") (result i32)
      (call $look) (call $nap (i32.const 32)) (call $look) (call $nap (i32.const 48)) (i32.const 0)))
  (core instance $i (instantiate $m (with "c" (instance $c)) (with "host" (instance
    (export "wait" (func $wait)) (export "subscribe" (func $subscribe)) (export "now" (func $now))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $app (export "run" (func $run)))
  (export "test:app/app" (instance $app)))"""


async def test_a_guest_that_waits_on_a_clock_of_wasi_is_seen_there_with_its_frames(
    site: Any, clock: VirtualClock, eventually: Any
) -> None:
    app = ComponentSettings("app", ComponentKind.WORKFLOW, "app.wasm"), bytes(wat2wasm(WAITS))
    service = await site.start(app, clock=clock)
    id_ = (await service.submit(Ffqn.parse("test:app/app.run"), [])).id
    for version in (2, 3):
        await eventually(lambda version=version: has_events(site, id_, version + 1))
        scene = await service.debug(id_, version)
        assert (scene.call.version, scene.call.got, scene.difference) == (version, Waits(), None)
        assert [frame.partition(" ")[0] for frame in scene.backtrace] == ["nap", "function"]
        clock.advance(HOUR)
    assert await service.wait(id_) == ev.Ok(None)


async def has_events(site: Any, id_: ExecutionId, count: int) -> bool:
    return (await site.store.get(id_)).version >= count


INTERPRETER = """(component
  (import "obelisk:types/backtrace@5.0.0" (instance $types
    (type $symbol' (record
      (field "func-name" (option string)) (field "file" (option string))
      (field "line" (option u32)) (field "col" (option u32))))
    (export "frame-symbol" (type $symbol (eq $symbol')))
    (type $info' (record (field "module" string) (field "func-name" string) (field "symbols" (list $symbol))))
    (export "frame-info" (type $info (eq $info')))
    (type $backtrace' (record (field "frames" (list $info))))
    (export "wasm-backtrace" (type (eq $backtrace')))))
  (alias export $types "wasm-backtrace" (type $backtrace))
  (import "obelisk:workflow/workflow-support-backtrace@6.0.0" (instance $support
    (export "wasm-backtrace" (type $stated (eq $backtrace)))
    (export "random-u64" (func
      (param "min" u64) (param "max-exclusive" u64) (param "backtrace" (option $stated)) (result u64)))))
  (core module $libc
    (memory (export "mem") 1)
    (data (i32.const 16) "app.js")
    (data (i32.const 32) "main")
    ;; at 64 a frame: module, function, one symbol, which is at 128: no function, file, line 7, column 3
    (data (i32.const 64) "\\10\\00\\00\\00\\06\\00\\00\\00\\20\\00\\00\\00\\04\\00\\00\\00")
    (data (i32.const 80) "\\80\\00\\00\\00\\01\\00\\00\\00")
    (data (i32.const 140) "\\01\\00\\00\\00\\10\\00\\00\\00\\06\\00\\00\\00")
    (data (i32.const 152) "\\01\\00\\00\\00\\07\\00\\00\\00\\01\\00\\00\\00\\03\\00\\00\\00"))
  (core instance $c (instantiate $libc))
  (core func $random (canon lower (func $support "random-u64") (memory (core memory $c "mem"))))
  (core module $m
    (import "host" "random" (func $random (param i64 i64 i32 i32 i32) (result i64)))
    (import "c" "mem" (memory 1))
    (func (export "run") (result i32)
      (drop (call $random (i64.const 1) (i64.const 2) (i32.const 1) (i32.const 64) (i32.const 1)))
      (drop (call $random (i64.const 3) (i64.const 4) (i32.const 0) (i32.const 0) (i32.const 0)))
      (i32.const 0)))
  (core instance $i (instantiate $m
    (with "host" (instance (export "random" (func $random)))) (with "c" (instance $c))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $app (export "run" (func $run)))
  (export "test:app/app" (instance $app)))"""


async def test_an_interpreted_guest_that_says_where_in_its_source_it_is_is_believed(site: Any) -> None:
    app = ComponentSettings("app", ComponentKind.WORKFLOW, "app.wasm"), bytes(wat2wasm(INTERPRETER))
    service = await site.start(app)
    id_ = (await service.submit(Ffqn.parse("test:app/app.run"), [])).id
    assert await service.wait(id_) == ev.Ok(None)
    stated, silent = [await service.debug(id_, version) for version in (2, 3)]
    assert stated.source == [SourceFrame("app.js", "main", [Symbol(None, "app.js", 7, 3)])]
    assert (stated.call.got, silent.call.got) == (Told("1"), Told("3"))
    assert silent.source == []


async def test_a_fork_is_stepped_through_like_its_origin(
    site: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    service = await site.start(workflow("fibo_workflow_tiny"), activity("fibo_tiny"))
    origin = (await service.submit(Ffqn.parse("testing:fibo-workflow/workflow.fiboa-concurrent"), [10, 4])).id
    assert await service.wait(origin) == ev.Ok("89")
    fork = await service.trees.fork(origin, index(await site.log(origin), ev.AwaitedNext, 2), None)
    assert await service.wait(fork) == ev.Ok("89")
    scenes = [await service.debug(fork, version) for version in range((await site.store.get(fork)).version)]
    assert [scene.difference for scene in scenes] == [None] * len(scenes)
    assert scenes[-1].end == "to return ok(89)"


async def test_few_guests_are_looked_at_at_once_and_one_who_leaves_makes_room(
    site: Any, asleep: Any, eventually: Any
) -> None:
    service, id_ = await asleep()
    assert not await service.deploy([sleeper(SPINS)])
    begun = len(site.attempts(SLEEP.text))
    looks = [asyncio.ensure_future(service.debug(id_, 2, service.components[0].digest)) for _ in range(3)]
    await eventually(lambda: len(site.attempts(SLEEP.text)) == begun + 2)
    for _ in range(20):
        await site.store.get(id_)
    assert len(site.attempts(SLEEP.text)) == begun + 2
    looks[0].cancel()
    await eventually(lambda: len(site.attempts(SLEEP.text)) == begun + 3)
    for look in looks:
        look.cancel()
    await asyncio.gather(*looks, return_exceptions=True)
    await eventually(lambda: site.engine.engine.guests == 1)
