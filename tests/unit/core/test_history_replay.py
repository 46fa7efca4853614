"""Any workflow, with responses in any order and crashes anywhere: one fold, one replay, in linear time."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.history import AllProcessed, History, fold
from obelisk_runtime.core.ids import DelayId, ExecutionId, ExecutorId, Instant, JoinSetId, is_delay, join_set_of
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.schedules import Schedule

ID = ExecutionId("E_01JX8ZQ4T5V6W7X8Y9Z0ABCDEF")
RUN = Ffqn.parse("a:b/c.run")
ONE = ExecutorId("executor-one")
NUMBERS = st.lists(st.integers(min_value=0, max_value=2**20), max_size=40)

Call = Callable[[History, Instant], object]


@dataclass(slots=True)
class Asked:
    """A host call, what it answered, and what the workflow's time was then."""

    call: Call
    waits: bool
    answers: list[object]
    now: Instant


def first_log() -> list[ev.Recorded]:
    created = ev.Created(kind=ev.ExecutionKind.WORKFLOW, function=RUN, params="[]", seed=bytes(16))
    events = created, ev.Locked(executor=ONE, attempt=1)
    return [ev.Recorded(version=n, at=Instant(1000), event=event) for n, event in enumerate(events)]


class Run:
    """A workflow that does what numbers say, beside a store that applies only `deliver`."""

    def __init__(self) -> None:
        self.log = first_log()
        self.responses: list[ev.Response] = []
        self.asked: list[Asked] = []
        self.seen = [0, 0]
        """How many responses there were when each event was written."""
        self.now = Instant(1000)
        self.history = History(ID, self.log, ())
        self.stored = self.history.projection

    def step(self, number: int) -> None:
        """One call, and all that must happen before it is answered."""
        self.now = Instant(self.now + number % 13 - 4)
        call, waits = choose(self.history, number)
        answer = call(self.history, self.now)
        waits = waits and not isinstance(answer, AllProcessed)
        self.write()
        answers = [answer]
        if waits:
            if number % 3 == 0:
                self.rest(parked=number % 2 == 0)
            while (taken := self.history.resume()) is None:
                self.answer_one(number)
            self.lock()
            answers.append(taken)
        elif number % 5 == 0 and self.history.open:
            self.answer_one(number)
        self.asked.append(Asked(call, waits, answers, self.history.now))

    def end(self) -> None:
        self.history.record_life(ev.OutcomeDecided(outcome=ev.Ok()), self.now)
        self.write()
        self.rest(parked=True)
        while self.history.open:
            self.answer_one(len(self.responses))
        self.lock()
        self.history.record_life(ev.Finished(outcome=ev.Ok()), self.now)
        self.write()

    def write(self) -> None:
        fresh, _ = self.history.take_fresh()
        self.log += fresh
        self.seen += [len(self.responses)] * len(fresh)
        self.stored = self.history.projection
        self.check()

    def rest(self, *, parked: bool) -> None:
        blocked = isinstance(self.stored.status, proj.Blocked)
        self.history.record_life(ev.Unlocked("let go of", parked=blocked and parked), self.now)
        self.write()

    def lock(self) -> None:
        if self.stored.holder is None:
            self.history.record_life(ev.Locked(executor=ONE, attempt=self.stored.attempts + 1), self.now)
            self.write()

    def answer_one(self, number: int) -> None:
        submissions = list(self.history.open)
        answering = submissions[number % len(submissions)]
        located = join_set_of(ExecutionId(answering))
        assert located is not None
        result = ev.DelayDue() if is_delay(DelayId(answering)) else ev.ChildFinished(outcome=ev.Ok(value=str(number)))
        at = Instant(self.now + number % 7 - 3)
        response = ev.Response(position=len(self.responses) + 1, at=at, id=answering, result=result)
        self.responses.append(response)
        self.history.arrive(response)
        self.stored = proj.deliver(self.stored, located[0])
        self.check()

    def check(self) -> None:
        assert self.stored == self.history.projection
        assert self.stored == fold(ID, self.log, self.responses)


def choose(history: History, number: int) -> tuple[Call, bool]:
    """(a host call that a guest could make here, whether it waits)."""
    generated = [JoinSetId(id_) for id_ in history.sets if id_.startswith("g:")]
    join_set = generated[number // 8 % len(generated)] if generated else None
    match number % 8:
        case 0:
            return lambda h, now: h.call(RUN, f"[{number}]", now), True
        case 1:
            return lambda h, now: h.sleep(Schedule(number, relative=True), "nap", now), True
        case 2 | 3 if join_set is not None:
            return lambda h, now: h.submit(join_set, RUN, f"[{number}]", now), False
        case 4 if join_set is not None:
            return lambda h, now: h.submit_delay(join_set, Schedule(number, relative=True), now), False
        case 5 if join_set is not None:
            return lambda h, now: h.await_next(join_set, None, now), True
        case 6 if join_set is not None:
            return lambda h, now: h.close(join_set, now), True
        case 7:
            return lambda h, now: h.draw("random-u64(0, 9)", lambda: str(number), now), False
        case _:
            return lambda h, now: h.create_join_set(now), False


def run(numbers: list[int]) -> Run:
    made = Run()
    for number in numbers:
        made.step(number)
    return made


def ask_again(history: History, asked: list[Asked], later: list[ev.Response]) -> None:
    """The guest makes the same calls; what it waits for comes in the same order."""
    for each in asked:
        answers = [each.call(history, Instant(10**9))]
        if each.waits:
            while (taken := history.resume()) is None:
                history.arrive(later.pop(0))
            answers.append(taken)
        assert answers == each.answers
        assert history.now == each.now or history.fresh


@settings(deadline=None, derandomize=True, database=None, max_examples=200)
@given(NUMBERS)
def test_the_stored_projection_is_the_fold_at_every_step_to_the_end(numbers: list[int]) -> None:
    made = run(numbers)
    made.end()
    assert isinstance(made.stored.status, proj.Finished)


@settings(deadline=None, derandomize=True, database=None, max_examples=200)
@given(NUMBERS)
def test_a_replay_answers_the_same_at_the_same_times_and_records_nothing(numbers: list[int]) -> None:
    made = run(numbers)
    history = History(ID, made.log, made.responses)
    ask_again(history, made.asked, [])
    history.finish_replay()
    assert history.fresh == []
    assert history.projection == made.stored


@settings(deadline=None, derandomize=True, database=None, max_examples=200)
@given(NUMBERS, st.integers(min_value=0))
def test_after_a_crash_anywhere_the_same_answers_come_again(numbers: list[int], crash: int) -> None:
    made = run(numbers)
    kept = 2 + crash % (len(made.log) - 1)
    seen = made.seen[kept - 1]
    history = History(ID, made.log[:kept], made.responses[:seen])
    ask_again(history, made.asked, made.responses[seen:])
    lost = [entry.event for entry in made.log[kept:] if isinstance(entry.event, ev.HistoryEvent)]
    assert list(map(_call_of, lost)) == [_call_of(entry.event) for entry in history.fresh]


def _call_of(event: ev.Event) -> object:
    """What was asked for, without what depends on the time."""
    return (event.join_set, event.asked) if isinstance(event, ev.DelaySubmitted) else event


def long_run(calls: int) -> tuple[list[ev.Recorded], list[ev.Response]]:
    """A direct call, a submission and an await for each of `calls`, all answered; the submissions in one join set."""
    join_set = JoinSetId("g:1")
    events: list[ev.Event] = [ev.JoinSetCreated(join_set)]
    answered: list[str] = []
    for n in range(1, calls + 1):
        direct = JoinSetId(f"o:{n}")
        events.append(ev.ChildSubmitted(join_set=join_set, function=RUN, params="[]"))
        events.append(ev.ChildSubmitted(join_set=direct, function=RUN, params="[]"))
        events.append(ev.AwaitedNext(join_set=join_set))
        answered += [f"{ID}.{direct}_1", f"{ID}.{join_set}_{n}"]
    log = first_log()
    log += [ev.Recorded(version=n, at=Instant(2000), event=event) for n, event in enumerate(events, start=2)]
    finished = ev.ChildFinished(outcome=ev.Ok())
    responses = [
        ev.Response(position=n, at=Instant(2000), id=id_, result=finished) for n, id_ in enumerate(answered, start=1)
    ]
    return log, responses


def replay(log: list[ev.Recorded], responses: list[ev.Response], calls: int) -> History:
    history = History(ID, log, responses)
    join_set = history.create_join_set(Instant(3000))
    assert join_set is not None
    for _ in range(calls):
        history.submit(join_set, RUN, "[]", Instant(3000))
        history.call(RUN, "[]", Instant(3000))
        assert history.resume() is not None
        history.await_next(join_set, None, Instant(3000))
        assert history.resume() is not None
    history.finish_replay()
    return history


def operations(action: Callable[[], object]) -> int:
    """How many functions, of Python and of C, an action calls."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def replay_operations(calls: int) -> int:
    log, responses = long_run(calls)
    return operations(lambda: replay(log, responses, calls))


def fold_operations(calls: int) -> int:
    log, responses = long_run(calls)
    return operations(lambda: fold(ID, log, responses))


def test_a_long_history_replays_in_steps_that_grow_with_it() -> None:
    assert replay_operations(400) < 4.1 * replay_operations(100)


def test_a_long_history_folds_in_steps_that_grow_with_it() -> None:
    assert fold_operations(400) < 4.1 * fold_operations(100)


def test_a_new_call_takes_as_many_steps_after_a_long_history_as_after_a_short_one() -> None:
    def one_more(calls: int) -> int:
        history = replay(*long_run(calls), calls)
        return operations(lambda: (history.call(RUN, "[]", Instant(3000)), history.projection))

    assert one_more(400) == one_more(40)
