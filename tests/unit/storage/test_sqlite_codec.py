"""Rows: what is stored of events, projections and ids, and that it comes back as it was."""

import random
import sqlite3
from typing import get_args

import msgspec
import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import (
    Digest,
    ExecutionId,
    ExecutorId,
    Instant,
    JoinSetId,
    delay_id,
    parse_execution_id,
    top_level_id,
)
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.storage import codec
from obelisk_runtime.storage.codec import EventCodec, Interned

AT = Instant(1_700_000_000_000_000)
FUNCTION = Ffqn.parse("testing:kit/activities@1.2.3.run")
DIGEST = Digest("sha256:" + "0a" * 32)
EXECUTOR = ExecutorId("executor")
JOIN_SET = JoinSetId("n:pay/ments")
FAILED = ev.Failed(kind=ev.FailureKind.TRAPPED, reason="unreachable ☃", backtrace=("a", "b"))

EVENTS: list[ev.Event] = [
    ev.Created(kind=ev.ExecutionKind.ACTIVITY, function=FUNCTION, params="[1]"),
    ev.Created(ev.ExecutionKind.WORKFLOW, FUNCTION, "[]", DIGEST, bytes(16), AT, Instant(AT + 1), {"a": "b"}),
    ev.Locked(executor=EXECUTOR, attempt=2, digest=DIGEST),
    ev.Locked(executor=EXECUTOR, attempt=1),
    ev.Unlocked(reason="evicted", parked=True),
    ev.AttemptFailed(outcome=FAILED, due=AT),
    ev.AttemptTimedOut(due=AT),
    ev.AttemptLost(reason="gone", due=AT),
    ev.Paused(reason="by hand"),
    ev.Resumed(reason="by hand"),
    ev.CancelRequested(reason="by hand"),
    ev.OutcomeDecided(outcome=ev.Err(value='"e"')),
    ev.Finished(outcome=ev.Ok()),
    ev.JoinSetCreated(join_set=JOIN_SET),
    ev.ChildSubmitted(join_set=JOIN_SET, function=FUNCTION, params="[]"),
    ev.SubmissionRefused(join_set=JOIN_SET, function="x", params="[]", error="function-not-found"),
    ev.DelaySubmitted(join_set=JOIN_SET, asked=5, relative=True, wakes=AT),
    ev.AwaitedNext(join_set=JOIN_SET, function=FUNCTION),
    ev.AwaitedNext(join_set=JOIN_SET),
    ev.JoinSetClosed(join_set=JOIN_SET),
    ev.RandomDrawn(call="random-u64(1, 7)", value="3"),
    ev.Upgraded(digest=DIGEST),
    ev.Forked(origin=ExecutionId("E_01JX0000000000000000000000")),
    ev.HistoryWarned(events=80_000, bytes=1_000_000),
    ev.TriedNext(join_set=JOIN_SET, pending=True),
    ev.IdGenerated(id=top_level_id(1, 2)),
    ev.Scheduled(top_level_id(1, 2), generated=True, function="x", params="[]", asked=1, relative=True, due=AT),
    ev.Stubbed(id=top_level_id(1, 2), result="1"),
]


def test_the_sample_has_every_form() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(ev.Event))


def test_every_event_comes_back_also_after_a_restart() -> None:
    interned = Interned()
    log = [ev.Recorded(version=7 + n, at=Instant(AT + n * n - 3), event=event) for n, event in enumerate(EVENTS)]
    entries = EventCodec(interned).entries(log, AT)
    body = codec.body(entries, len(log))
    reopened = Interned(interned.texts[1:])
    assert EventCodec(reopened).decode(body, AT, 7) == log


def test_bodies_of_any_length_are_arrays() -> None:
    for count in (0, 1, 15, 16, 65_535, 65_536):
        assert len(msgspec.msgpack.decode(codec.body(b"\x01" * count, count))) == count


@pytest.mark.parametrize(("form", "twin"), list(codec._TWINS.items()))
def test_a_stored_twin_has_the_fields_and_the_tag_of_its_event(form: type, twin: type) -> None:
    assert twin.__struct_fields__ == form.__struct_fields__
    assert twin.__struct_config__.tag == form.__struct_config__.tag
    assert twin.__struct_defaults__ == form.__struct_defaults__


def test_the_stored_bytes_of_a_short_activity_stay_as_they_are() -> None:
    outcome = ev.Ok(value="89")
    events = [EVENTS[0], ev.Locked(executor=EXECUTOR, attempt=1, digest=DIGEST), ev.Finished(outcome=outcome)]
    log = [ev.Recorded(version=n, at=AT, event=event) for n, event in enumerate(events)]
    entries = EventCodec(Interned()).entries(log, AT)
    assert entries.hex() == (
        "920099010101a35b315dc0c0c0c0c0"  # created(activity, function 1, [1])
        "92009402020103"  # locked(executor 2, attempt 1, digest 3)
        "9200920b9201a23839"  # finished(ok(89))
    )


STATUSES: list[proj.Status] = [
    proj.Pending(AT),
    proj.Locked(EXECUTOR),
    proj.Blocked(JOIN_SET, 3, EXECUTOR),
    proj.Blocked(JOIN_SET, 1, None),
    proj.Blocked(None, 2, None, orphaned=True),
    proj.Finished("timed-out", Instant(AT - 5)),
]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("lifecycle", [proj.ACTIVE, proj.Lifecycle(paused=True), proj.Lifecycle(cancelling=True)])
def test_every_projection_comes_back(status: proj.Status, lifecycle: proj.Lifecycle) -> None:
    interned = Interned()
    projection = proj.Projection(
        kind=ev.ExecutionKind.WORKFLOW,
        function=FUNCTION,
        digest=DIGEST,
        created=AT,
        status=status,
        lifecycle=lifecycle,
        version=9,
        responses=8,
        attempts=7,
        failures=6,
        traps=3,
        timeouts=2,
        losses=5,
        deciding=True,
    )
    row = codec.projection_row(projection, interned, answered=True)
    assert len(row) == len(codec.PROJECTION_COLUMNS)
    assert codec.projection_of(row, interned) == projection
    values = dict(zip(codec.PROJECTION_COLUMNS, row, strict=True))
    claimable = values["due"] if not codec.flags(projection) & codec.PAUSED else None
    assert claimable == projection.due


SEGMENTS = ["o:1_1", "o:999999999_1", "o:7-nap_1", "o:1_2", "g:1_1", "g:12_345", "g:1_9999999999", "n:a/b-1_2", "n:1_1"]


@pytest.mark.parametrize("text", SEGMENTS)
def test_a_segment_comes_back_here_and_in_sql(text: str) -> None:
    packed = codec.packed_segment(text)
    assert codec.segment_text(packed) == text
    (sql,) = sqlite3.connect(":memory:").execute("SELECT " + codec.SEGMENT_TEXT.format("?1"), (packed,)).fetchone()
    assert sql == text


def test_segments_ascend_as_they_are_made() -> None:
    one_offs = [codec.packed_segment(f"o:{n}_1") for n in range(1, 2_000)]
    generated = [codec.packed_segment(f"g:{s}_{n}") for s in (1, 2, 300) for n in range(1, 2_000)]
    assert one_offs == sorted(one_offs)  # type: ignore[type-var]
    assert generated == sorted(generated)  # type: ignore[type-var]
    assert len(set(one_offs + generated)) == len(one_offs + generated)


def test_ids_come_back_from_their_path() -> None:
    rng = random.Random(1)
    for _ in range(100):
        text = "E_01J00000000000000000000000" + "".join("." + rng.choice(SEGMENTS) for _ in range(rng.randrange(4)))
        built = None
        for segment in codec.id_path(parse_execution_id(text)):
            built = codec.joined_id(built, segment)
        assert built == text
    assert built is not None
    assert codec.joined_delay_id(built, codec.packed_segment("g:1_2")) == delay_id(built, JoinSetId("g:1"), 2)
