"""A fork: what it copies of a log, which responses it takes along, what begins afresh."""

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.forking import CannotFork, Fork, ForkAt, fork
from obelisk_runtime.core.history import AllProcessed, History, Nondeterminism, Taken, fold
from obelisk_runtime.core.ids import Digest, ExecutionId, ExecutorId, Instant, JoinSetId, join_set_of
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.schedules import Schedule

ORIGIN = ExecutionId("E_01JX0000000000000000000000")
FORK = ExecutionId("E_01JX0000000000000000000009")
RUN = Ffqn.parse("testing:kit/activities.run")
WORKFLOW = Ffqn.parse("testing:kit/workflows.run")
DIGEST = Digest("sha256:" + "0a" * 32)
OTHER_DIGEST = Digest("sha256:" + "f1" * 32)
START = Instant(1_750_000_000_000_000)
NOW = Instant(START + 3_600_000_000)
SECOND = 1_000_000


class Run:
    """A workflow as it records its log, at one second an event."""

    def __init__(self, kind: ev.ExecutionKind = ev.ExecutionKind.WORKFLOW) -> None:
        created = ev.Created(kind, WORKFLOW, "[]", digest=DIGEST, seed=bytes(16), deadline=Instant(START + 9 * SECOND))
        self.log = [ev.Recorded(0, START, created), ev.Recorded(1, START, ev.Locked(ExecutorId("X_1"), 1))]
        self.history = History(ORIGIN, self.log, ())

    @property
    def now(self) -> Instant:
        return Instant(START + len(self.log) * SECOND)

    def record(self) -> int:
        """Commit what was recorded; the version that follows."""
        self.log += self.history.take_fresh()[0]
        return len(self.log)

    def answer(self, response_id: str, value: str = "1") -> None:
        result = ev.DelayDue() if response_id.startswith("Delay") else ev.ChildFinished(ev.Ok(value))
        self.history.arrive(ev.Response(len(self.history.responses) + 1, self.now, response_id, result))
        self.record()

    def call(self, params: str = "[]", value: str = "1") -> ExecutionId:
        child = self.history.call(RUN, params, self.now)
        self.answer(child, value)
        assert isinstance(self.history.resume(), Taken)
        return child

    def fork(self, version: int, digest: Digest | None = None) -> Fork:
        return fork(ORIGIN, self.log, self.history.responses, ForkAt(FORK, version, digest, NOW))


def replay(forked: Fork) -> History:
    return History(FORK, forked.log, forked.responses)


def test_the_log_is_a_copy_up_to_the_version_and_says_from_where() -> None:
    run = Run()
    run.call("[1]")
    version = run.record()
    run.call("[2]")
    forked = run.fork(version)
    assert list(forked.log[1:version]) == run.log[1:version]
    assert forked.log[version].event == ev.Forked(ORIGIN)
    assert len(forked.log) == version + 1


def test_the_seed_is_copied_and_the_deadline_is_as_far_away_as_it_was() -> None:
    run = Run()
    created = run.fork(1).log[0].event
    assert isinstance(created, ev.Created)
    assert created.seed == bytes(16)
    assert created.deadline == NOW + 9 * SECOND


def test_calls_before_the_version_answer_what_they_did_and_the_next_one_is_new() -> None:
    run = Run()
    run.call("[1]", "10")
    run.call("[2]", "20")
    version = run.record()
    run.call("[3]", "30")
    history = replay(run.fork(version))
    for params, value in (("[1]", "10"), ("[2]", "20")):
        history.call(RUN, params, NOW)
        taken = history.resume()
        assert isinstance(taken, Taken)
        assert taken.response.result == ev.ChildFinished(ev.Ok(value))
        assert taken.response.id.startswith(FORK)
    assert not history.replaying
    assert history.call(RUN, "[other]", NOW) == FORK + ".o:3_1"


def test_children_submitted_but_not_consumed_are_created_afresh() -> None:
    run = Run()
    join_set = run.history.create_join_set(run.now)
    assert join_set is not None
    children = [run.history.submit(join_set, RUN, f"[{n}]", run.now) for n in range(3)]
    run.answer(children[1])
    run.answer(children[2])
    assert not isinstance(run.history.await_next(join_set, None, run.now), AllProcessed)
    assert run.history.resume()
    version = run.record()
    run.history.await_next(join_set, None, run.now)
    run.answer(children[0])
    forked = run.fork(version)
    assert [response.id for response in forked.responses] == [own(children[1])]
    assert forked.children == [(own(children[0]), children[0]), (own(children[2]), children[2])]


def test_responses_keep_their_order_and_are_counted_from_one() -> None:
    run = Run()
    first, second = (run.history.create_join_set(run.now) for _ in range(2))
    assert first is not None
    assert second is not None
    kept_back = run.history.submit(first, RUN, "[]", run.now)
    later = run.history.submit(second, RUN, "[]", run.now)
    run.answer(kept_back)
    run.answer(later)
    run.history.await_next(second, None, run.now)
    assert run.history.resume()
    forked = run.fork(run.record())
    assert [(response.position, response.id) for response in forked.responses] == [(1, own(later))]
    assert forked.children == [(own(kept_back), kept_back)]


def test_a_relative_delay_that_was_not_consumed_begins_anew_and_an_absolute_one_keeps_its_time() -> None:
    run = Run()
    join_set = run.history.create_join_set(run.now)
    assert join_set is not None
    relative = run.history.submit_delay(join_set, Schedule(5 * SECOND, relative=True), run.now)
    absolute = run.history.submit_delay(join_set, Schedule(START + SECOND, relative=False), run.now)
    version = run.record()
    forked = run.fork(version)
    assert dict(forked.delays) == {own(relative): NOW + 5 * SECOND, own(absolute): START + SECOND}
    recorded = [entry.event.wakes for entry in forked.log if isinstance(entry.event, ev.DelaySubmitted)]
    assert recorded == [NOW + 5 * SECOND, START + SECOND]


def test_a_sleep_that_was_over_is_over_in_the_fork() -> None:
    run = Run()
    delay = run.history.sleep(Schedule(5 * SECOND, relative=True), None, run.now)
    run.answer(delay)
    assert run.history.resume()
    forked = run.fork(run.record())
    assert [response.id for response in forked.responses] == [own(delay)]
    assert forked.delays == []


def test_a_closed_join_set_takes_all_its_responses_along() -> None:
    run = Run()
    join_set = run.history.create_join_set(run.now)
    assert join_set is not None
    child = run.history.submit(join_set, RUN, "[]", run.now)
    run.history.close(join_set, run.now)
    run.record()
    before = run.fork(len(run.log))
    assert before.children == [(own(child), child)]
    run.answer(child)
    assert run.history.resume()
    after = run.fork(len(run.log))
    assert [response.id for response in after.responses] == [own(child)]
    assert after.children == []


def test_ids_are_compared_relative_to_the_execution() -> None:
    run = Run()
    child = run.call("[1]", '"made"')
    run.call(f'["{ORIGIN}","{child}"]')
    history = replay(run.fork(run.record()))
    history.call(RUN, "[1]", NOW)
    history.resume()
    history.call(RUN, f'["{FORK}","{own(child)}"]', NOW)
    history.resume()
    assert not history.replaying


def test_another_call_than_the_copied_one_is_nondeterminism() -> None:
    run = Run()
    run.call(f'["{ORIGIN}"]')
    history = replay(run.fork(run.record()))
    with pytest.raises(Nondeterminism):
        history.call(RUN, '["E_01JX0000000000000000000005"]', NOW)


def test_a_fork_of_a_fork_compares_with_all_that_it_came_from() -> None:
    run = Run()
    run.call(f'["{ORIGIN}"]')
    first = run.fork(run.record())
    second_id = ExecutionId("E_01JX000000000000000000000A")
    second = fork(FORK, first.log, first.responses, ForkAt(second_id, len(first.log), None, NOW))
    history = History(second_id, second.log, second.responses)
    history.call(RUN, f'["{second_id}"]', NOW)
    history.resume()
    assert not history.replaying


def test_nobody_holds_a_fork_and_it_is_due_at_once() -> None:
    run = Run()
    run.call()
    run.history.record_life(ev.Paused("a person"), run.now)
    version = run.record()
    forked = run.fork(version)
    projection = fold(FORK, forked.log, forked.responses)
    assert projection.status == proj.Pending(START)
    assert projection.lifecycle == proj.ACTIVE
    assert projection.due is not None


def test_a_fork_that_waits_is_taken_up_at_once_all_the_same() -> None:
    run = Run()
    run.history.call(RUN, "[]", run.now)
    run.history.record_life(ev.Unlocked("evicted", parked=True), run.now)
    forked = run.fork(run.record())
    projection = fold(FORK, forked.log, forked.responses)
    assert projection.status == proj.Blocked(JoinSetId("o:1"), 1, None, orphaned=True)
    assert projection.due is not None


def test_a_fork_may_run_on_another_component() -> None:
    run = Run()
    run.call()
    forked = run.fork(run.record(), OTHER_DIGEST)
    assert fold(FORK, forked.log, forked.responses).digest == OTHER_DIGEST


@pytest.mark.parametrize("version", [0, 4, 99])
def test_a_version_without_a_history_to_go_on_from_is_refused(version: int) -> None:
    run = Run()
    run.call()
    run.history.record_life(ev.Finished(ev.Ok("1")), run.now)
    run.record()
    with pytest.raises(CannotFork, match="versions 1 to 3"):
        run.fork(version)


def test_an_activity_has_no_history_to_reuse() -> None:
    with pytest.raises(CannotFork, match="no workflow"):
        Run(ev.ExecutionKind.ACTIVITY).fork(1)


def own(id_: str) -> str:
    """An id below the original as the fork has it."""
    assert join_set_of(ExecutionId(id_)) is not None
    return id_.replace(ORIGIN[2:], FORK[2:])
