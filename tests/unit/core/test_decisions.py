import msgspec
import pytest

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.decisions import AttemptEnd, AttemptTimeout
from obelisk_runtime.core.ids import Digest, ExecutionId, ExecutorId, Instant, JoinSetId, child_id
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import LOSSES_MAX, RetryPolicy
from obelisk_runtime.core.types import EnumOf, ListOf, Primitive, RecordOf, VariantOf, WitType

DIGEST = Digest("sha256:" + "0a" * 32)
ID = ExecutionId("E_01J00000000000000000000000")
ONE = ExecutorId("executor-one")
NOW = Instant(1_000_000)
LOCKED = proj.Locked(ONE)
TWICE = RetryPolicy(max=2, backoff=100, factor=2.0, jitter=0)
ERR = ev.Err(value='"broken"')
TRAP = ev.Failed(kind=ev.FailureKind.TRAPPED, reason="unreachable")


def projection(kind: ev.ExecutionKind, status: proj.Status, **fields: object) -> proj.Projection:
    created = ev.Created(kind=kind, function=Ffqn.parse("a:b/c.run"), params="[]")
    return msgspec.structs.replace(proj.begin(created, Instant(0)), status=status, **fields)


def activity(status: proj.Status = LOCKED, **fields: object) -> proj.Projection:
    return projection(ev.ExecutionKind.ACTIVITY, status, **fields)


def workflow(status: proj.Status = LOCKED, **fields: object) -> proj.Projection:
    return projection(ev.ExecutionKind.WORKFLOW, status, **fields)


def end(what: AttemptEnd, failures: int = 0, err_type: WitType | None = None) -> ev.LifeEvent:
    return decisions.end_attempt(activity(failures=failures), what, TWICE, NOW, 0.5, err_type)


NUMBER = RecordOf((("code", Primitive.U8),))


class TestLock:
    def test_what_is_due_is_locked_as_the_next_attempt(self) -> None:
        due = activity(proj.Pending(NOW), attempts=2)
        assert decisions.lock(due, ONE, DIGEST, NOW) == ev.Locked(executor=ONE, attempt=3, digest=DIGEST)

    def test_a_workflow_keeps_the_digest_it_is_pinned_to(self) -> None:
        assert decisions.lock(workflow(proj.Pending(NOW)), ONE, DIGEST, NOW) == ev.Locked(executor=ONE, attempt=1)

    def test_an_orphan_is_locked(self) -> None:
        orphan = workflow(proj.Blocked(JoinSetId("g:1"), 1, None, orphaned=True))
        assert decisions.lock(orphan, ONE, None, NOW) == ev.Locked(executor=ONE, attempt=1)

    @pytest.mark.parametrize(
        "projection",
        [
            activity(proj.Pending(Instant(NOW + 1))),
            activity(proj.Pending(NOW), lifecycle=proj.Lifecycle(paused=True)),
            activity(proj.Locked(ONE)),
            activity(proj.Finished("ok", NOW)),
            workflow(proj.Blocked(JoinSetId("g:1"), 1, ONE)),
            workflow(proj.Blocked(JoinSetId("g:1"), 1, None)),
        ],
    )
    def test_what_is_not_due_is_not_locked(self, projection: proj.Projection) -> None:
        assert decisions.lock(projection, ONE, DIGEST, NOW) is None


class TestEndAttempt:
    def test_ok_finishes(self) -> None:
        assert end(ev.Ok(value="1")) == ev.Finished(outcome=ev.Ok(value="1"))

    @pytest.mark.parametrize("outcome", [ERR, TRAP])
    def test_a_failure_is_tried_again_while_the_budget_lasts(self, outcome: ev.Err | ev.Failed) -> None:
        assert end(outcome) == ev.AttemptFailed(outcome=outcome, due=Instant(NOW + 100))
        assert end(outcome, failures=1) == ev.AttemptFailed(outcome=outcome, due=Instant(NOW + 200))

    @pytest.mark.parametrize("outcome", [ERR, TRAP])
    def test_the_last_failure_is_the_outcome(self, outcome: ev.Err | ev.Failed) -> None:
        assert end(outcome, failures=2) == ev.Finished(outcome=outcome)

    def test_a_timeout_is_tried_again_and_the_last_one_is_a_failure(self) -> None:
        assert end(AttemptTimeout(), failures=1) == ev.AttemptTimedOut(due=Instant(NOW + 200))
        last = end(AttemptTimeout(), failures=2)
        assert isinstance(last, ev.Finished)
        assert isinstance(last.outcome, ev.Failed)
        assert last.outcome.kind is ev.FailureKind.TIMED_OUT

    CASES = VariantOf(
        (("permanent", None), ("not-found-permanent", None), ("permanent-x", NUMBER), ("broken", Primitive.STRING))
    )

    @pytest.mark.parametrize("value", ['"permanent"', '"not_found_permanent"', '{"permanent_x":{"code":7}}'])
    def test_an_err_whose_case_says_permanent_is_final(self, value: str) -> None:
        assert end(ev.Err(value=value), err_type=self.CASES) == ev.Finished(outcome=ev.Err(value=value))

    def test_an_enum_has_cases_too(self) -> None:
        err = ev.Err('"permanent_loss"')
        assert end(err, err_type=EnumOf(("permanent-loss",))) == ev.Finished(outcome=err)

    @pytest.mark.parametrize(
        ("type_", "value"),
        [
            (None, None),
            (CASES, '"temporary"'),
            (CASES, '{"broken":"permanent"}'),
            (Primitive.STRING, '"permanent"'),
            (Primitive.STRING, '"a permanent redirect was followed"'),
            (NUMBER, '{"permanent":false}'),
            (ListOf(Primitive.STRING), '["permanent"]'),
            (Primitive.U8, "7"),
        ],
    )
    def test_any_other_err_is_tried_again(self, type_: WitType | None, value: str | None) -> None:
        assert isinstance(end(ev.Err(value=value), err_type=type_), ev.AttemptFailed)

    @pytest.mark.parametrize(
        ("type_", "value"),
        [
            (Primitive.STRING, '"say \\"no\\""'),
            (CASES, '"card_declined"'),
            (CASES, '{"card_declined":"say"}'),
        ],
    )
    def test_a_listed_case_or_whole_text_is_final(self, type_: WitType, value: str) -> None:
        policy = RetryPolicy(max=2, final_errors=frozenset(['say "no"', "card-declined"]))
        ended = decisions.end_attempt(activity(), ev.Err(value), policy, NOW, 0.5, type_)
        assert ended == ev.Finished(outcome=ev.Err(value))

    def test_each_class_of_failures_may_have_a_budget_of_its_own(self) -> None:
        policy = RetryPolicy(max=2, errs_max=4, traps_max=0, timeouts_max=1)
        ended = [
            decisions.end_attempt(activity(failures=3, timeouts=1), what, policy, NOW, 0.5)
            for what in (ERR, TRAP, AttemptTimeout())
        ]
        assert [type(event) for event in ended] == [ev.AttemptFailed, ev.Finished, ev.Finished]

    def test_an_activity_lost_more_often_than_its_function_allows_is_a_failure(self) -> None:
        assert decisions.lost_for_good(activity(losses=2), RetryPolicy(lost_max=2)) is None
        ended = decisions.lost_for_good(activity(losses=3), RetryPolicy(lost_max=2))
        assert ended == ev.Finished(outcome=ev.Failed(kind=ev.FailureKind.LOST, reason=decisions.LOST))


class TestTakeOver:
    def test_a_lost_attempt_is_due_at_once_and_counts_apart(self) -> None:
        lost = decisions.take_over(activity(failures=99, losses=LOSSES_MAX - 1), NOW)
        assert lost == ev.AttemptLost(reason=decisions.LOST, due=NOW, died=True)

    def test_an_attempt_lost_too_often_is_a_failure(self) -> None:
        ended = decisions.take_over(activity(losses=LOSSES_MAX), NOW)
        assert ended == ev.Finished(outcome=ev.Failed(kind=ev.FailureKind.LOST, reason=decisions.LOST))

    def test_a_workflow_is_unlocked_however_often(self) -> None:
        for status in (proj.Locked(ONE), proj.Blocked(JoinSetId("g:1"), 1, ONE)):
            assert decisions.take_over(workflow(status, losses=LOSSES_MAX), NOW) == ev.Unlocked(
                reason=decisions.LOST, died=isinstance(status, proj.Locked)
            )

    def test_what_is_let_go_of_at_shutdown_did_not_die(self) -> None:
        assert decisions.release(workflow(proj.Locked(ONE)), NOW) == ev.Unlocked(decisions.SHUT_DOWN)
        assert decisions.release(activity(), NOW) == ev.AttemptLost(decisions.SHUT_DOWN, NOW)

    @pytest.mark.parametrize("status", [proj.Pending(NOW), proj.Finished("ok", NOW)])
    def test_what_nobody_holds_is_left_alone(self, status: proj.Status) -> None:
        assert decisions.take_over(activity(status), NOW) is None
        assert decisions.release(activity(status), NOW) is None


class TestCancel:
    CANCELLED = ev.Failed(kind=ev.FailureKind.CANCELLED, reason="a person")

    @pytest.mark.parametrize("status", [proj.Pending(NOW), proj.Locked(ONE)])
    def test_an_activity_ends(self, status: proj.Status) -> None:
        assert decisions.cancel(activity(status), "a person") == (
            ev.CancelRequested(reason="a person"),
            ev.Finished(outcome=self.CANCELLED),
        )

    def test_a_workflow_begins_to_end(self) -> None:
        assert decisions.cancel(workflow(), "a person") == (
            ev.CancelRequested(reason="a person"),
            ev.OutcomeDecided(outcome=self.CANCELLED),
        )

    @pytest.mark.parametrize(
        "projection",
        [
            activity(proj.Finished("ok", NOW)),
            workflow(lifecycle=proj.Lifecycle(cancelling=True)),
            workflow(deciding=True),
        ],
    )
    def test_what_has_ended_or_is_ending_is_not_cancelled_again(self, projection: proj.Projection) -> None:
        assert decisions.cancel(projection, "a person") == ()


def test_only_the_end_of_a_child_answers_its_parent() -> None:
    end = ev.Recorded(2, NOW, ev.Finished(ev.Ok("1")))
    child = child_id(ID, JoinSetId("g:1"), 1)
    assert decisions.response_of(child, end) == ev.Response(0, NOW, child, ev.ChildFinished(ev.Ok("1")))
    assert decisions.response_of(ID, end) is None
    assert decisions.response_of(child, ev.Recorded(2, NOW, ev.Paused("tea"))) is None
