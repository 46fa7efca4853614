import json

import msgspec
import pytest
from jsonschema import Draft202012Validator

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import DelayId, ExecutorId, Instant, JoinSetId
from obelisk_runtime.core.names import Ffqn
from obelisk_server.api import event_schemas, render

EVENT = Draft202012Validator(event_schemas.schema({}))
FUNCTION = Ffqn.parse("a:b/c.d")
SET = JoinSetId("g:1")


def shown(value: object) -> object:
    return json.loads(msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_700_000_000_000_001, "2023-11-14T22:13:20.000001Z"),
        (2**62, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_is_written_with_microseconds_in_utc(microseconds: int, text: str) -> None:
    assert render.instant(Instant(microseconds)) == text


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (ev.Ok("18446744073709551615"), {"ok": 18446744073709551615}),
        (ev.Ok(), {"ok": None}),
        (ev.Err('"no"'), {"err": "no"}),
        (ev.Failed(ev.FailureKind.TIMED_OUT, "slow"), {"failure": {"kind": "timed-out", "reason": "slow"}}),
        (
            ev.Failed(ev.FailureKind.TRAPPED, "why", ("a", "b")),
            {"failure": {"kind": "trapped", "reason": "why", "backtrace": ["a", "b"]}},
        ),
    ],
)
def test_an_outcome_has_one_form(outcome: ev.Outcome, expected: object) -> None:
    assert shown(render.result(outcome)) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            ev.Created(kind=ev.ExecutionKind.ACTIVITY, function=FUNCTION, params="[1]", seed=b"x" * 16, due=Instant(0)),
            {
                "event": "created",
                "kind": "activity",
                "function": "a:b/c.d",
                "params": [1],
                "due": "1970-01-01T00:00:00.000000Z",
            },
        ),
        (ev.Locked(ExecutorId("X"), 2), {"event": "locked", "executor": "X", "attempt": 2}),
        (
            ev.AttemptFailed(ev.Err("1"), Instant(0)),
            {"event": "attempt-failed", "outcome": {"err": 1}, "due": "1970-01-01T00:00:00.000000Z"},
        ),
        (
            ev.SubmissionRefused(SET, "nonsense", "[not json", "ffqn-parsing-error"),
            {
                "event": "submission-refused",
                "join_set": "g:1",
                "function": "nonsense",
                "params": "[not json",
                "error": "ffqn-parsing-error",
                "message": "",
            },
        ),
        (
            ev.DelaySubmitted(SET, asked=1_000, relative=True, wakes=Instant(1_000)),
            {
                "event": "delay-submitted",
                "join_set": "g:1",
                "asked": 1_000,
                "relative": True,
                "wakes": "1970-01-01T00:00:00.001000Z",
            },
        ),
        (
            ev.DelaySubmitted(SET, asked=1_000, relative=False, wakes=Instant(1_000)),
            {
                "event": "delay-submitted",
                "join_set": "g:1",
                "asked": "1970-01-01T00:00:00.001000Z",
                "relative": False,
                "wakes": "1970-01-01T00:00:00.001000Z",
            },
        ),
        (ev.AwaitedNext(SET), {"event": "awaited-next", "join_set": "g:1"}),
        (
            ev.RandomDrawn("random-u64(1, 7)", "3"),
            {"event": "random-drawn", "call": "random-u64(1, 7)", "value": 3},
        ),
    ],
)
def test_an_event_shows_its_fields_but_never_the_seed(event: ev.Event, expected: dict[str, object]) -> None:
    recorded = ev.Recorded(version=7, at=Instant(0), event=event)
    assert shown(render.event(recorded)) == {"version": 7, "at": "1970-01-01T00:00:00.000000Z", **expected}


def test_every_event_can_be_shown() -> None:
    fields = {"kind": ev.ExecutionKind.WORKFLOW, "outcome": ev.Ok(), "params": "[]", "value": "1"}
    samples = {int: Instant(0), bool: False}
    for form in ev.Event.__args__:
        given = {
            field.name: fields.get(field.name, samples.get(getattr(field.type, "__supertype__", field.type), "x"))
            for field in msgspec.structs.fields(form)
            if field.required
        }
        item = shown(render.event(ev.Recorded(0, Instant(0), form(**given))))
        assert EVENT.is_valid(item), (item, list(EVENT.iter_errors(item)))


def test_the_schema_of_events_tells_them_apart() -> None:
    item = shown(render.event(ev.Recorded(0, Instant(0), ev.Locked(ExecutorId("X"), 2))))
    assert isinstance(item, dict)
    assert not EVENT.is_valid({**item, "event": "created"})
    assert not EVENT.is_valid({**item, "attempt": "2"})
    assert not EVENT.is_valid({**item, "event": "unheard-of"})


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (ev.ChildFinished(ev.Ok("1")), {"response": "child-finished", "outcome": {"ok": 1}}),
        (ev.DelayDue(), {"response": "delay-due"}),
        (ev.DelayCancelled(), {"response": "delay-cancelled"}),
    ],
)
def test_a_response_says_what_it_is(result: object, expected: dict[str, object]) -> None:
    response = ev.Response(3, Instant(0), DelayId("Delay_x"), result)  # type: ignore[arg-type]
    assert shown(render.response(response)) == {
        "position": 3,
        "at": "1970-01-01T00:00:00.000000Z",
        "id": "Delay_x",
        **expected,
    }
