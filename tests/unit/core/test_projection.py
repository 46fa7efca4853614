import msgspec
import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import Digest, ExecutorId, Instant, JoinSetId
from obelisk_runtime.core.names import Ffqn

RUN = Ffqn.parse("a:b/c.run")
DIGEST = Digest("sha256:" + "0a" * 32)
ONE = ExecutorId("executor-one")
SET = JoinSetId("g:1")
OTHER_SET = JoinSetId("g:2")
CREATED = Instant(100)
NOW = Instant(200)


def pending(kind: ev.ExecutionKind = ev.ExecutionKind.ACTIVITY, due: Instant | None = None) -> proj.Projection:
    return proj.begin(ev.Created(kind=kind, function=RUN, params="[]", digest=DIGEST, due=due), CREATED)


def after(projection: proj.Projection, *events: ev.Event) -> proj.Projection:
    for event in events:
        projection = proj.apply(projection, event, NOW)
    return projection


def with_status(status: proj.Status) -> proj.Projection:
    return msgspec.structs.replace(pending(ev.ExecutionKind.WORKFLOW), status=status)


def test_a_created_execution_is_pending_from_its_creation_or_its_due_time() -> None:
    assert pending().status == proj.Pending(CREATED)
    assert pending(due=Instant(500)).status == proj.Pending(Instant(500))
    assert (pending().version, pending().digest, pending().created) == (1, DIGEST, CREATED)


def test_every_event_moves_the_version_by_one() -> None:
    assert after(pending(), ev.Locked(ONE, 1), ev.Paused(""), ev.Resumed("")).version == 4
    assert after(with_status(proj.Locked(ONE)), ev.JoinSetCreated(SET), ev.JoinSetClosed(SET)).version == 3


def test_locked_names_the_holder_and_counts_the_attempt() -> None:
    locked = after(pending(), ev.Locked(ONE, 1))
    assert (locked.status, locked.holder, locked.attempts) == (proj.Locked(ONE), ONE, 1)


def test_an_attempt_that_its_executor_let_go_of_counts_nowhere() -> None:
    projection = after(pending(), ev.Locked(ONE, 1), ev.AttemptLost(reason="shut down", due=Instant(500)))
    assert (projection.failures, projection.losses) == (0, 0)


def test_failures_and_losses_are_counted_apart() -> None:
    projection = after(
        pending(),
        ev.Locked(ONE, 1),
        ev.AttemptFailed(outcome=ev.Err(), due=Instant(300)),
        ev.Locked(ONE, 2),
        ev.AttemptTimedOut(due=Instant(400)),
        ev.Locked(ONE, 3),
        ev.AttemptFailed(outcome=ev.Failed(ev.FailureKind.TRAPPED, "broken"), due=Instant(450)),
        ev.Locked(ONE, 4),
        ev.AttemptLost(reason="lost", due=Instant(500), died=True),
    )
    assert (projection.attempts, projection.failures, projection.losses) == (4, 3, 1)
    assert (projection.traps, projection.timeouts) == (1, 1)
    assert projection.status == proj.Pending(Instant(500))
    assert projection.holder is None


def test_pausing_and_resuming_leave_the_status_alone() -> None:
    paused = after(pending(), ev.Paused("a person"))
    assert (paused.status, paused.lifecycle.label) == (pending().status, "paused")
    assert after(paused, ev.Resumed("a person")).lifecycle == proj.ACTIVE


def test_a_cancel_request_is_kept_beside_the_status() -> None:
    cancelling = after(pending(), ev.CancelRequested("a person"), ev.OutcomeDecided(outcome=ev.Err()))
    assert cancelling.lifecycle.label == "cancelling"
    assert cancelling.deciding


@pytest.mark.parametrize(
    ("outcome", "label"),
    [
        (ev.Ok(value="1"), "ok"),
        (ev.Err(), "err"),
        *((ev.Failed(kind=kind, reason=""), kind.label) for kind in ev.FailureKind),
    ],
)
def test_finished_has_the_label_of_its_outcome(outcome: ev.Outcome, label: str) -> None:
    finished = after(pending(), ev.Finished(outcome=outcome))
    assert finished.status == proj.Finished(label, NOW)
    assert finished.due is None


def test_a_released_workflow_is_due_at_once_whatever_the_clock_says() -> None:
    released = after(with_status(proj.Locked(ONE)), ev.Unlocked("evicted"))
    assert released.status == proj.Pending(CREATED)


def test_a_blocked_workflow_rests_if_parked_and_is_an_orphan_if_not() -> None:
    blocked = with_status(proj.Blocked(SET, 2, ONE))
    resting = after(blocked, ev.Unlocked("evicted", parked=True))
    orphan = after(blocked, ev.Unlocked("lost"))
    assert (resting.status, resting.due) == (proj.Blocked(SET, 2, None), None)
    assert (orphan.status, orphan.due) == (proj.Blocked(SET, 2, None, orphaned=True), CREATED)
    assert after(orphan, ev.Locked(ONE, 2)).status == blocked.status


@pytest.mark.parametrize(
    ("status", "due"),
    [
        (proj.Pending(Instant(7)), Instant(7)),
        (proj.Locked(ONE), None),
        (proj.Blocked(SET, 1, ONE), None),
        (proj.Blocked(SET, 1, None), None),
        (proj.Blocked(SET, 1, None, orphaned=True), CREATED),
        (proj.Finished("ok", NOW), None),
    ],
)
def test_what_is_due_follows_from_the_status_and_nothing_paused_is(status: proj.Status, due: Instant | None) -> None:
    projection = with_status(status)
    assert projection.due == due
    assert after(projection, ev.Paused("")).due is None


def test_a_response_wakes_the_workflow_that_waits_for_it() -> None:
    resident = proj.deliver(with_status(proj.Blocked(SET, 1, ONE)), SET)
    resting = proj.deliver(with_status(proj.Blocked(SET, 1, None)), SET)
    assert resident.status == proj.Locked(ONE)
    assert resting.status == proj.Pending(CREATED)


def test_a_response_counts_and_leaves_the_version() -> None:
    before = with_status(proj.Locked(ONE))
    assert proj.deliver(before, SET) == msgspec.structs.replace(before, responses=1)


def test_a_response_of_another_join_set_wakes_nobody() -> None:
    blocked = with_status(proj.Blocked(SET, 1, ONE))
    assert proj.deliver(blocked, OTHER_SET).status == blocked.status


@pytest.mark.parametrize("orphaned", [True, False])
def test_a_closing_workflow_counts_down(*, orphaned: bool) -> None:
    closing = with_status(proj.Blocked(SET, 3, None, orphaned))
    assert proj.deliver(closing, SET).status == proj.Blocked(SET, 2, None, orphaned)


def test_an_ending_workflow_counts_the_responses_of_every_join_set() -> None:
    ending = with_status(proj.Blocked(None, 2, ONE))
    ending = proj.deliver(ending, SET)
    assert ending.status == proj.Blocked(None, 1, ONE)
    assert proj.deliver(ending, OTHER_SET).status == proj.Locked(ONE)


@pytest.mark.parametrize("status", [proj.Pending(CREATED), proj.Locked(ONE), proj.Finished("ok", NOW)])
def test_a_response_to_one_that_does_not_wait_only_counts(status: proj.Status) -> None:
    assert proj.deliver(with_status(status), SET).status == status


def test_a_second_created_event_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        after(pending(), ev.Created(kind=ev.ExecutionKind.ACTIVITY, function=RUN, params="[]"))
