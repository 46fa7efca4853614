"""The cursor: answer what was recorded, record what is new, wait for what has not come, refuse what differs."""

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.history import AllProcessed, Forms, History, Nondeterminism, SetClosed, Taken, fold
from obelisk_runtime.core.ids import ExecutionId, ExecutorId, Instant, JoinSetId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.schedules import Schedule

ID = ExecutionId("E_01JX8ZQ4T5V6W7X8Y9Z0ABCDEF")
RUN = Ffqn.parse("a:b/c.run")
OTHER = Ffqn.parse("a:b/c.other")
ONE = ExecutorId("executor-one")
CREATED = Instant(1000)
SET = JoinSetId("g:1")
IN_A_SECOND = Schedule(1_000_000, relative=True)
CREATED_EVENT = ev.Created(kind=ev.ExecutionKind.WORKFLOW, function=RUN, params="[]", seed=bytes(16))


def started(*recorded: ev.Event, responses: tuple[ev.Response, ...] = ()) -> History:
    """A workflow that was created and locked, and then did this, ten microseconds apart."""
    events = [CREATED_EVENT, ev.Locked(executor=ONE, attempt=1), *recorded]
    log = [ev.Recorded(version=n, at=at(n), event=event) for n, event in enumerate(events)]
    return History(ID, log, responses)


def generated(history: History, now: Instant) -> JoinSetId:
    join_set = history.create_join_set(now)
    assert join_set is not None
    return join_set


def at(version: int) -> Instant:
    return Instant(CREATED + 10 * version)


def child_answer(position: int, join_set: str, index: int = 1, *, when: int = 5000) -> ev.Response:
    finished = ev.ChildFinished(outcome=ev.Ok(value=str(position)))
    return ev.Response(position=position, at=Instant(when), id=f"{ID}.{join_set}_{index}", result=finished)


def delay_answer(position: int, join_set: str, index: int = 1, *, when: int = 5000) -> ev.Response:
    return ev.Response(
        position=position, at=Instant(when), id=f"Delay_{ID[2:]}.{join_set}_{index}", result=ev.DelayDue()
    )


def submitted(join_set: str = SET, function: Ffqn = RUN, params: str = "[]") -> ev.ChildSubmitted:
    return ev.ChildSubmitted(join_set=JoinSetId(join_set), function=function, params=params)


class TestRecording:
    def test_a_new_call_is_recorded_at_the_next_version(self) -> None:
        history = started()
        assert history.call(RUN, "[1]", at(9)) == f"{ID}.o:1_1"
        assert history.fresh == [ev.Recorded(version=2, at=at(9), event=submitted("o:1", RUN, "[1]"))]
        assert history.version == 3

    def test_one_offs_and_generated_sets_are_numbered_apart(self) -> None:
        history = started()
        assert history.create_join_set(at(9)) == "g:1"
        history.call(RUN, "[]", at(9))
        history.arrive(child_answer(1, "o:1"))
        history.resume()
        assert history.create_join_set(at(9)) == "g:2"
        assert history.sleep(IN_A_SECOND, "nap", at(9)) == f"Delay_{ID[2:]}.o:2-nap_1"

    def test_submissions_of_a_set_are_numbered_together(self) -> None:
        history = started()
        join_set = generated(history, at(9))
        assert history.submit(join_set, RUN, "[]", at(9)) == f"{ID}.g:1_1"
        assert history.submit_delay(join_set, IN_A_SECOND, at(9)) == f"Delay_{ID[2:]}.g:1_2"
        assert history.submit(join_set, OTHER, "[]", at(9)) == f"{ID}.g:1_3"
        assert list(history.open) == [f"{ID}.g:1_1", f"Delay_{ID[2:]}.g:1_2", f"{ID}.g:1_3"]

    def test_fresh_entries_are_handed_out_once_with_their_submissions(self) -> None:
        history = started()
        history.create_join_set(at(8))
        child = history.submit(SET, RUN, "[]", at(9))
        fresh, submissions = history.take_fresh()
        assert [entry.event for entry in fresh] == [ev.JoinSetCreated(SET), submitted()]
        assert [(submission.id, submission.at) for submission in submissions] == [(child, at(9))]
        assert history.take_fresh() == ([], [])

    def test_a_drawn_value_is_chosen_once_and_recorded(self) -> None:
        history = started()
        assert history.draw("random-u64(1, 7)", lambda: "3", at(9)) == "3"
        assert history.fresh[-1].event == ev.RandomDrawn(call="random-u64(1, 7)", value="3")

    def test_answers_that_a_crash_would_change_are_unsettled(self) -> None:
        history = started()
        history.create_join_set(at(9))
        assert history.unsettled_version == -1
        history.draw("random-u64(1, 7)", lambda: "3", at(9))
        assert history.unsettled_version == 3
        history.refuse(ev.SubmissionRefused(SET, "no", "[]", "function-not-found"), at(9))
        assert history.unsettled_version == 4

    def test_a_relative_delay_wakes_that_long_after_the_call_and_an_absolute_one_at_its_time(self) -> None:
        history = started()
        history.create_join_set(at(9))
        history.submit_delay(SET, IN_A_SECOND, at(9))
        history.submit_delay(SET, Schedule(7777, relative=False), at(9))
        assert [entry.event for entry in history.fresh[1:]] == [
            ev.DelaySubmitted(join_set=SET, asked=1_000_000, relative=True, wakes=Instant(at(9) + 1_000_000)),
            ev.DelaySubmitted(join_set=SET, asked=7777, relative=False, wakes=Instant(7777)),
        ]


class TestReplay:
    def test_recorded_calls_are_answered_and_nothing_is_recorded(self) -> None:
        history = started(
            ev.JoinSetCreated(SET),
            submitted(),
            ev.RandomDrawn(call="random-u64(1, 7)", value="3"),
            submitted("o:1", OTHER, "[2]"),
        )
        assert history.replaying
        assert history.create_join_set(at(99)) == SET
        assert history.submit(SET, RUN, "[]", at(99)) == f"{ID}.g:1_1"
        assert history.draw("random-u64(1, 7)", lambda: pytest.fail("asked again"), at(99)) == "3"
        assert history.call(OTHER, "[2]", at(99)) == f"{ID}.o:1_1"
        assert not history.replaying
        assert history.fresh == []
        assert history.submissions == []
        assert history.unsettled_version == -1
        history.finish_replay()

    def test_calls_beyond_the_record_are_recorded_after_it(self) -> None:
        history = started(ev.JoinSetCreated(SET))
        history.create_join_set(at(99))
        history.submit(SET, RUN, "[]", at(99))
        assert [entry.version for entry in history.fresh] == [3]

    def test_events_of_the_executions_life_are_no_calls(self) -> None:
        life = (ev.Unlocked(reason="evicted", parked=True), ev.Paused(""), ev.Resumed(""), ev.Locked(ONE, 2))
        history = started(ev.JoinSetCreated(SET), *life, submitted())
        history.create_join_set(at(99))
        history.submit(SET, RUN, "[]", at(99))
        assert not history.replaying

    def test_a_relative_sleep_keeps_its_original_wake_time(self) -> None:
        recorded = ev.DelaySubmitted(
            join_set=JoinSetId("o:1"), asked=1_000_000, relative=True, wakes=Instant(at(2) + 1_000_000)
        )
        history = started(recorded)
        assert history.sleep(IN_A_SECOND, None, Instant(at(2) + 900_000_000)) == f"Delay_{ID[2:]}.o:1_1"
        assert history.fresh == []

    def test_a_recorded_refusal_is_known_before_it_is_asked_for(self) -> None:
        refusal = ev.SubmissionRefused(SET, "no", "[]", "function-not-found")
        history = started(ev.JoinSetCreated(SET), refusal)
        assert history.recorded_submission() is None
        history.create_join_set(at(99))
        assert history.recorded_submission() == refusal
        history.refuse(refusal, at(99))
        assert history.recorded_submission() is None
        assert history.fresh == []

    def test_the_position_counts_what_the_guest_has_asked_for(self) -> None:
        history = started(ev.JoinSetCreated(SET), submitted())
        assert history.position == 0
        history.create_join_set(at(99))
        assert history.position == 1


class TestNondeterminism:
    @pytest.mark.parametrize(
        ("recorded", "asked"),
        [
            (submitted("o:1", RUN, "[1]"), "child-submitted(join_set=o:1, function=a:b/c.other, params=[1])"),
            (submitted("o:1", OTHER, "[2]"), "child-submitted(join_set=o:1, function=a:b/c.other, params=[1])"),
            (ev.JoinSetCreated(SET), "child-submitted(join_set=o:1, function=a:b/c.other, params=[1])"),
        ],
    )
    def test_another_call_is_refused_with_both_sides(self, recorded: ev.Event, asked: str) -> None:
        history = started(recorded)
        with pytest.raises(Nondeterminism) as caught:
            history.call(OTHER, "[1]", at(99))
        assert caught.value.version == 2
        assert caught.value.asked == asked
        assert caught.value.recorded is not None
        assert caught.value.recorded.startswith(ev.event_name(recorded))

    def test_history_that_is_left_when_the_function_returns_is_refused(self) -> None:
        history = started(ev.JoinSetCreated(SET), submitted())
        history.create_join_set(at(99))
        with pytest.raises(Nondeterminism) as caught:
            history.finish_replay()
        assert (caught.value.version, caught.value.asked) == (3, None)
        assert "asked for nothing more" in str(caught.value)

    def test_another_duration_is_refused(self) -> None:
        history = started(
            ev.DelaySubmitted(join_set=JoinSetId("o:1"), asked=5, relative=True, wakes=Instant(at(2) + 5))
        )
        with pytest.raises(Nondeterminism):
            history.sleep(IN_A_SECOND, None, at(99))

    def test_an_absolute_time_instead_of_a_duration_is_refused(self) -> None:
        history = started(
            ev.DelaySubmitted(join_set=JoinSetId("o:1"), asked=5, relative=True, wakes=Instant(at(2) + 5))
        )
        with pytest.raises(Nondeterminism):
            history.sleep(Schedule(5, relative=False), None, at(99))

    def test_another_name_of_a_sleep_is_refused(self) -> None:
        history = started(
            ev.DelaySubmitted(join_set=JoinSetId("o:1-nap"), asked=1_000_000, relative=True, wakes=Instant(1))
        )
        with pytest.raises(Nondeterminism):
            history.sleep(IN_A_SECOND, "rest", at(99))

    def test_a_draw_of_another_range_is_refused(self) -> None:
        history = started(ev.RandomDrawn(call="random-u64(1, 7)", value="3"))
        with pytest.raises(Nondeterminism):
            history.draw("random-u64(1, 8)", lambda: "3", at(99))

    def test_another_join_set_is_refused(self) -> None:
        history = started(ev.JoinSetCreated(SET), ev.JoinSetCreated(JoinSetId("g:2")), submitted("g:1"))
        history.create_join_set(at(99))
        other = generated(history, at(99))
        with pytest.raises(Nondeterminism):
            history.submit(other, RUN, "[]", at(99))

    def test_an_await_of_another_type_is_refused(self) -> None:
        history = started(ev.JoinSetCreated(SET), submitted(), ev.AwaitedNext(SET, RUN))
        history.create_join_set(at(99))
        history.submit(SET, RUN, "[]", at(99))
        with pytest.raises(Nondeterminism):
            history.await_next(SET, None, at(99))

    def test_a_refused_call_moves_nothing(self) -> None:
        history = started(submitted("o:1"))
        with pytest.raises(Nondeterminism):
            history.call(OTHER, "[]", at(99))
        assert history.position == 0
        assert history.call(RUN, "[]", at(99)) == f"{ID}.o:1_1"


class TestTypes:
    """What replay would need the types of functions for is recorded."""

    RECORDED = ev.ChildSubmitted(JoinSetId("o:1"), RUN, '[{"a":1,"b":2}]', '[{"b":2,"a":1}]', failure_named=True)

    def test_a_submission_is_replayed_by_the_text_that_was_asked(self) -> None:
        history = started(self.RECORDED, responses=[child_answer(1, "o:1")])
        history.call(RUN, '[{"b":2,"a":1}]', at(99), Forms(None, failure_named=False))
        assert not history.replaying

    def test_another_text_is_nondeterminism(self) -> None:
        history = started(self.RECORDED)
        with pytest.raises(Nondeterminism):
            history.call(RUN, '[{"b":2,"a":2}]', at(99))

    def test_what_is_taken_tells_what_its_submission_recorded_of_failures(self) -> None:
        history = started(self.RECORDED, responses=[child_answer(1, "o:1")])
        history.call(RUN, '[{"b":2,"a":1}]', at(99), Forms(None, failure_named=False))
        taken = history.resume()
        assert isinstance(taken, Taken)
        assert taken.failure_named


class TestWaiting:
    def test_a_call_waits_until_its_response_comes(self) -> None:
        history = started()
        child = history.call(RUN, "[]", at(9))
        assert history.resume() is None
        assert history.projection.status == proj.Blocked(JoinSetId("o:1"), 1, ONE)
        answer = child_answer(1, "o:1")
        history.arrive(answer)
        assert history.projection.status == proj.Locked(ONE)
        assert history.resume() == Taken(answer, RUN)
        assert history.processed[child] == Taken(answer, RUN)

    def test_the_nth_await_gets_the_nth_response_whenever_it_came(self) -> None:
        history = started()
        history.create_join_set(at(9))
        for _ in range(3):
            history.submit(SET, RUN, "[]", at(9))
        answers = [child_answer(1, SET, 3), child_answer(2, SET, 1), child_answer(3, SET, 2)]
        history.arrive(answers[0])
        history.arrive(answers[1])
        taken: list[object] = []
        for _ in range(2):
            history.await_next(SET, RUN, at(9))
            taken.append(history.resume())
        history.await_next(SET, RUN, at(9))
        assert history.resume() is None
        history.arrive(answers[2])
        taken.append(history.resume())
        assert taken == [Taken(answer, RUN) for answer in answers]

    def test_a_replayed_await_gets_the_same_response_though_more_have_come(self) -> None:
        answers = (child_answer(1, SET, 2), child_answer(2, SET, 1))
        history = started(ev.JoinSetCreated(SET), submitted(), submitted(), ev.AwaitedNext(SET), responses=answers)
        history.create_join_set(at(99))
        history.submit(SET, RUN, "[]", at(99))
        history.submit(SET, RUN, "[]", at(99))
        history.await_next(SET, None, at(99))
        assert history.resume() == Taken(answers[0], RUN)

    def test_a_response_of_another_set_is_not_taken(self) -> None:
        history = started()
        other = generated(history, at(9))
        history.submit(other, RUN, "[]", at(9))
        history.call(RUN, "[]", at(9))
        history.arrive(child_answer(1, other))
        assert history.resume() is None

    def test_nothing_is_recorded_when_nothing_is_left_to_wait_for(self) -> None:
        history = started()
        history.create_join_set(at(9))
        assert history.await_next(SET, None, at(9)) == AllProcessed()
        assert len(history.fresh) == 1

    def test_a_set_is_all_processed_after_its_last_response_on_replay_too(self) -> None:
        answer = child_answer(1, SET)
        history = started(ev.JoinSetCreated(SET), submitted(), ev.AwaitedNext(SET), responses=(answer,))
        history.create_join_set(at(99))
        history.submit(SET, RUN, "[]", at(99))
        assert history.await_next(SET, None, at(99)) is None
        history.resume()
        assert history.await_next(SET, None, at(99)) == AllProcessed()

    def test_a_delay_is_taken_without_a_function(self) -> None:
        history = started()
        history.sleep(IN_A_SECOND, None, at(9))
        answer = delay_answer(1, "o:1")
        history.arrive(answer)
        assert history.resume() == Taken(answer, None)


class TestClosing:
    def test_a_set_closes_when_every_submission_has_answered(self) -> None:
        history = started()
        history.create_join_set(at(9))
        history.submit(SET, RUN, "[]", at(9))
        history.submit_delay(SET, IN_A_SECOND, at(9))
        history.close(SET, at(9))
        assert history.projection.status == proj.Blocked(SET, 2, ONE)
        history.arrive(delay_answer(1, SET, 2))
        assert history.resume() is None
        assert history.projection.status == proj.Blocked(SET, 1, ONE)
        history.arrive(child_answer(2, SET, 1))
        assert history.resume() == SetClosed()
        assert SET not in history.sets

    def test_an_empty_set_closes_at_once(self) -> None:
        history = started()
        history.create_join_set(at(9))
        history.close(SET, at(9))
        assert history.projection.status == proj.Locked(ONE)
        assert history.resume() == SetClosed()

    def test_a_recorded_closing_that_was_not_done_goes_on(self) -> None:
        history = started(ev.JoinSetCreated(SET), submitted(), ev.JoinSetClosed(SET))
        history.run_to_end()
        assert history.resume() is None
        assert list(history.open) == [f"{ID}.g:1_1"]

    def test_a_decided_outcome_waits_for_everything_open(self) -> None:
        history = started()
        history.create_join_set(at(9))
        history.submit(SET, RUN, "[]", at(9))
        history.call(RUN, "[]", at(9))
        history.record_life(ev.OutcomeDecided(outcome=ev.Err()), at(9))
        assert history.deciding
        assert history.decided == ev.Err()
        assert history.projection.status == proj.Blocked(None, 2, ONE)
        history.arrive(child_answer(1, SET))
        history.arrive(child_answer(2, "o:1"))
        assert history.projection.status == proj.Locked(ONE)
        assert not history.open

    def test_a_decided_outcome_is_known_from_the_log_alone(self) -> None:
        history = started(submitted("o:1"), ev.OutcomeDecided(outcome=ev.Err()))
        history.run_to_end()
        assert history.decided == ev.Err()
        assert list(history.open) == [f"{ID}.o:1_1"]


class TestTime:
    def test_it_begins_with_the_creation(self) -> None:
        assert started().now == CREATED

    def test_it_moves_with_entries_and_taken_responses_only(self) -> None:
        history = started()
        history.call(RUN, "[]", at(9))
        assert history.now == at(9)
        history.arrive(child_answer(1, "o:1", when=7000))
        assert history.now == at(9)
        history.resume()
        assert history.now == 7000

    def test_it_never_goes_back(self) -> None:
        history = started()
        history.call(RUN, "[]", Instant(9000))
        history.arrive(child_answer(1, "o:1", when=5000))
        history.resume()
        history.create_join_set(Instant(4000))
        assert history.now == 9000

    def test_on_replay_it_is_what_it_was(self) -> None:
        history = started(submitted("o:1"), responses=(child_answer(1, "o:1", when=7000),))
        history.call(RUN, "[]", Instant(99_999))
        assert history.now == at(2)
        history.resume()
        assert history.now == 7000


class TestLife:
    def test_control_events_of_others_come_before_what_is_not_durable_yet(self) -> None:
        history = started()
        history.draw("random", lambda: "1", at(3))
        history.record_life(ev.OutcomeDecided(ev.Ok()), at(3))
        control = ev.Paused("a person"), ev.Resumed("a person"), ev.Paused("another")
        history.interpose([ev.Recorded(version, at(9), event) for version, event in enumerate(control, 2)])
        assert history.version == 7
        assert [entry.version for entry in history.fresh] == [5, 6]
        assert history.unsettled_version == 5
        assert history.projection.lifecycle == proj.ACTIVE
        assert history.projection.deciding

    def test_a_workflow_that_others_paused_is_paused_though_it_was_about_to_do_something(self) -> None:
        history = started()
        history.create_join_set(at(3))
        history.interpose([ev.Recorded(2, at(9), ev.Paused("a person"))])
        assert history.projection.lifecycle.paused
        assert history.take_fresh()[0] == [ev.Recorded(3, at(3), ev.JoinSetCreated(JoinSetId("g:1")))]

    def test_a_resting_workflow_is_no_orphan_and_a_lost_one_is(self) -> None:
        call = submitted("o:1")
        blocked = JoinSetId("o:1"), 1, None
        for unlocked, orphaned in ((ev.Unlocked("evicted", parked=True), False), (ev.Unlocked("lost"), True)):
            history = started(call, unlocked)
            history.run_to_end()
            assert history.projection.status == proj.Blocked(*blocked, orphaned)

    def test_an_activity_folds_too(self) -> None:
        created = ev.Created(kind=ev.ExecutionKind.ACTIVITY, function=RUN, params="[]")
        log = [
            ev.Recorded(version=0, at=CREATED, event=created),
            ev.Recorded(version=1, at=at(1), event=ev.Locked(executor=ONE, attempt=1)),
            ev.Recorded(version=2, at=at(2), event=ev.Finished(outcome=ev.Ok())),
        ]
        assert fold(ID, log, ()).status == proj.Finished("ok", at(2))
