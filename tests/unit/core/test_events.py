"""Persisted forms are for ever: every form has golden rows, and every row still means what it meant."""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import Digest, ExecutionId, ExecutorId, Instant, JoinSetId
from obelisk_runtime.core.names import Ffqn

GOLDEN = Path(__file__).parents[2] / "golden" / "events"
FUNCTION = Ffqn.parse("testing:kit/activities@1.2.3-rc.1.run")
DIGEST = Digest("sha256:" + "0a" * 32)
EXECUTOR = ExecutorId("executor-one")
TOP_LEVEL = ExecutionId("E_01JX0000000000000000000000")
SET = JoinSetId("g:1")
AT = Instant(1_750_000_000_123_456)
TRAPPED = ev.Failed(kind=ev.FailureKind.TRAPPED, reason="unreachable 🦀", backtrace=("0: run", "1: main"))

OUTCOMES = {
    "ok, no payload": ev.Ok(),
    "ok": ev.Ok(value='{"a":[1,18446744073709551615]}'),
    "err, no payload": ev.Err(),
    "err": ev.Err(value='"broken"'),
    **{f"failed, {kind.label}": ev.Failed(kind=kind, reason="why") for kind in ev.FailureKind},
    "failed, with backtrace": TRAPPED,
}
LIFE = {
    "created, shortest": ev.Created(kind=ev.ExecutionKind.ACTIVITY, function=FUNCTION, params="[]"),
    "created, full": ev.Created(
        kind=ev.ExecutionKind.WORKFLOW,
        function=FUNCTION,
        params='["ü"]',
        digest=DIGEST,
        seed=bytes(range(16)),
        due=AT,
        deadline=Instant(AT + 1),
        tags={"team": "blue"},
    ),
    "locked, workflow": ev.Locked(executor=EXECUTOR, attempt=1),
    "locked, activity": ev.Locked(executor=EXECUTOR, attempt=300, digest=DIGEST),
    "unlocked": ev.Unlocked(reason="lost"),
    "unlocked, parked": ev.Unlocked(reason="evicted", parked=True),
    "attempt failed": ev.AttemptFailed(outcome=TRAPPED, due=AT),
    "attempt timed out": ev.AttemptTimedOut(due=AT),
    "unlocked, died": ev.Unlocked(reason="lost", died=True),
    "attempt lost": ev.AttemptLost(reason="lost", due=AT),
    "attempt lost, died": ev.AttemptLost(reason="lost", due=AT, died=True),
    "paused": ev.Paused(reason="a person"),
    "resumed": ev.Resumed(reason="a person"),
    "cancel requested": ev.CancelRequested(reason="a person"),
    "outcome decided": ev.OutcomeDecided(outcome=TRAPPED),
    "finished": ev.Finished(outcome=ev.Ok(value="89")),
    "upgraded": ev.Upgraded(digest=DIGEST),
    "history warned": ev.HistoryWarned(events=80_000, bytes=1_000_000),
    "forked": ev.Forked(origin=TOP_LEVEL),
    "created, webhook": ev.Created(
        kind=ev.ExecutionKind.WEBHOOK,
        function=Ffqn.parse("wasi:http/incoming-handler.handle"),
        params='["GET","/"]',
        tags={"webhook": "shop"},
    ),
}
HISTORY = {
    "join set created": ev.JoinSetCreated(join_set=SET),
    "child submitted": ev.ChildSubmitted(join_set=JoinSetId("o:1"), function=FUNCTION, params="[10]"),
    "child submitted, as text": ev.ChildSubmitted(
        JoinSetId("o:1"), FUNCTION, '[{"a":1,"b":2}]', text='[{"b":2,"a":1}]', failure_named=True
    ),
    "child submitted, whose failure has no payload": ev.ChildSubmitted(SET, FUNCTION, "[10]", failure_named=False),
    "submission refused": ev.SubmissionRefused(join_set=SET, function="no", params="[]", error="ffqn-parsing-error"),
    "submission refused, with message": ev.SubmissionRefused(
        join_set=SET, function="a:b/c.d", params="[]", error="type-check-error", message="expected u8"
    ),
    "delay submitted, relative": ev.DelaySubmitted(join_set=SET, asked=5_000_000, relative=True, wakes=AT),
    "delay submitted, absolute": ev.DelaySubmitted(join_set=SET, asked=AT, relative=False, wakes=AT),
    "awaited next": ev.AwaitedNext(join_set=SET),
    "awaited next, typed": ev.AwaitedNext(join_set=SET, function=FUNCTION),
    "join set closed": ev.JoinSetClosed(join_set=SET),
    "random drawn": ev.RandomDrawn(call="random-u64(1, 7)", value="3"),
    "tried next, pending": ev.TriedNext(join_set=SET, pending=True),
    "id generated": ev.IdGenerated(id=TOP_LEVEL),
    "scheduled": ev.Scheduled(
        id=TOP_LEVEL, generated=True, function=FUNCTION.text, params="[1]", asked=5_000_000, relative=True, due=AT
    ),
    "schedule refused": ev.Scheduled(
        id=TOP_LEVEL,
        generated=False,
        function="no",
        params="[]",
        asked=AT,
        relative=False,
        due=AT,
        error="ffqn-parsing-error",
        message="why",
    ),
    "stubbed": ev.Stubbed(id=TOP_LEVEL + ".g:1_1", result='{"ok":true}'),
    "stub refused": ev.Stubbed(id="x", result="[", error="type-check-error", message="why"),
}
RECORDED = {"recorded": ev.Recorded(version=7, at=AT, event=ev.Paused(reason="a person"))}
RESPONSES = {
    "child finished": ev.Response(
        position=1, at=AT, id="E_01JX0000000000000000000000.g:1_1", result=ev.ChildFinished(outcome=ev.Ok(value="89"))
    ),
    "delay due": ev.Response(position=2, at=AT, id="Delay_01JX0000000000000000000000.g:1_2", result=ev.DelayDue()),
    "delay cancelled": ev.Response(
        position=3, at=AT, id="Delay_01JX0000000000000000000000.o:1_1", result=ev.DelayCancelled()
    ),
}
STATUSES = {
    "pending": proj.Pending(due=AT),
    "locked": proj.Locked(executor=EXECUTOR),
    "blocked, resident": proj.Blocked(SET, 1, EXECUTOR),
    "blocked, orphaned": proj.Blocked(None, 3, None, orphaned=True),
    "finished": proj.Finished("timed-out", AT),
}
GROUPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "outcomes": (ev.Outcome, OUTCOMES),
    "life": (ev.LifeEvent, LIFE),
    "history": (ev.HistoryEvent, HISTORY),
    "recorded": (ev.Recorded, RECORDED),
    "responses": (ev.Response, RESPONSES),
    "statuses": (proj.Status, STATUSES),
}
CASES = [pytest.param(group, name, id=f"{group}: {name}") for group, (_, values) in GROUPS.items() for name in values]


def golden(group: str) -> list[dict[str, str]]:
    """Rows of `value` (a name above), `json` and `msgpack` in hex. A value whose form grew has a row for each age."""
    return json.loads((GOLDEN / f"{group}.json").read_text())


def encode_hook(value: object) -> str:
    assert isinstance(value, Ffqn)
    return value.text


def decode_hook(form: type, text: str) -> Ffqn:
    assert form is Ffqn
    return Ffqn.parse(text)


def encoded(name: str, value: object) -> dict[str, str]:
    return {
        "value": name,
        "json": msgspec.json.encode(value, enc_hook=encode_hook).decode(),
        "msgpack": msgspec.msgpack.encode(value, enc_hook=encode_hook).hex(),
    }


@pytest.mark.parametrize(("group", "name"), CASES)
def test_a_value_is_written_as_its_golden_row_says(group: str, name: str) -> None:
    row = encoded(name, GROUPS[group][1][name])
    assert row in golden(group), f"no row of tests/golden/events/{group}.json is {json.dumps(row, ensure_ascii=False)}"


@pytest.mark.parametrize("group", GROUPS)
def test_every_golden_row_is_read_as_the_value_it_was_written_from(group: str) -> None:
    form, values = GROUPS[group]
    for row in golden(group):
        assert msgspec.json.decode(row["json"], type=form, dec_hook=decode_hook) == values[row["value"]]
        packed = bytes.fromhex(row["msgpack"])
        assert msgspec.msgpack.decode(packed, type=form, dec_hook=decode_hook) == values[row["value"]]


@pytest.mark.parametrize(
    ("forms", "values"),
    [
        (ev.Outcome, OUTCOMES),
        (ev.LifeEvent, LIFE),
        (ev.HistoryEvent, HISTORY),
        (proj.Status, STATUSES),
    ],
)
def test_every_form_has_a_golden_row(forms: Any, values: dict[str, Any]) -> None:
    assert set(get_args(forms)) == {type(value) for value in values.values()}


def test_every_form_of_a_response_has_a_golden_row() -> None:
    forms = get_args(msgspec.structs.fields(ev.Response)[-1].type)
    assert set(forms) == {type(response.result) for response in RESPONSES.values()}


def test_every_failure_kind_has_a_golden_row() -> None:
    kinds = {outcome.kind for outcome in OUTCOMES.values() if isinstance(outcome, ev.Failed)}
    assert kinds == set(ev.FailureKind)


def test_an_event_is_a_life_event_or_a_history_entry() -> None:
    assert set(get_args(ev.Event)) == set(get_args(ev.LifeEvent)) | set(get_args(ev.HistoryEvent))


def test_tags_are_unique() -> None:
    tags = [form.__struct_config__.tag for form in get_args(ev.Event)]
    assert len(tags) == len(set(tags))


def test_events_have_the_products_names() -> None:
    assert ev.event_name(ev.ChildSubmitted(SET, FUNCTION, "[]")) == "child-submitted"
    assert ev.event_name(ev.AttemptTimedOut(due=AT)) == "attempt-timed-out"
    assert ev.FailureKind.OUT_OF_FUEL.label == "out-of-fuel"
