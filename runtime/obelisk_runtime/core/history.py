"""The replay cursor: a workflow's recorded history against the calls its guest makes now.

Every host call of a workflow becomes one history entry. While recorded entries are left, the call must equal the next
one and gets the recorded answer; after that it is recorded as new. Responses are kept by join set in the order of the
parent's response list, so that the n-th `awaited next` of a set gets the n-th response of that set, on every replay.

`History` is a mutable fold (each step is O(1)). It does no I/O and is told the time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.entries import describe, moved_up, unanswered
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId, Instant, JoinSetId, child_id, delay_id, join_set_of, path_of
from obelisk_runtime.core.join_sets import JoinSet
from obelisk_runtime.core.life import Life
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.schedules import Schedule

HistoryForm = TypeVar("HistoryForm", bound=ev.HistoryEvent)


class Nondeterminism(ObeliskError):
    """The guest asked for something else than the log recorded at this version."""

    def __init__(self, version: int, recorded: str | None, asked: str | None) -> None:
        super().__init__(
            f"nondeterminism at version {version}: the log recorded {recorded or 'nothing more'}, "
            f"the workflow asked for {asked or 'nothing more'}"
        )
        self.version = version
        self.recorded = recorded
        self.asked = asked


class Forms(NamedTuple):
    """What a submission records of types, so that replay needs none: see `ChildSubmitted`."""

    text: str | None
    failure_named: bool | None


_NOT_RECORDED = Forms(None, None)


@dataclass(frozen=True, slots=True)
class Taken:
    """A response the workflow takes; `function` None for a delay."""

    response: ev.Response
    function: Ffqn | None
    failure_named: bool | None = None
    """See `ChildSubmitted`."""


@dataclass(frozen=True, slots=True)
class SetClosed:
    """A join set has closed: every submission of it has answered."""


@dataclass(frozen=True, slots=True)
class AllProcessed:
    """Nothing is left in the join set to wait for."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """No response of the join set is there yet."""


class History:
    """The fold of one workflow's log and responses, and the cursor of its replay."""

    def __init__(self, execution_id: ExecutionId, log: Iterable[ev.Recorded], responses: Iterable[ev.Response]) -> None:
        self.id = execution_id
        self.sets: dict[JoinSetId, JoinSet] = {}
        self.processed: dict[str, Taken] = {}
        """What the workflow took, by the id of the child or delay."""
        self.fresh: list[ev.Recorded] = []
        """Events recorded since the last `take_fresh`."""
        self.submissions: list[Submission] = []
        """Those of them that submitted a child or a delay."""
        self.open: dict[str, Ffqn | None] = {}
        """Submissions of all join sets without a response, in order of creation; None: a delay."""
        self.last_direct: ExecutionId | None = None
        """The child of the latest direct call."""
        self.last_one_off: str | None = None
        """The child or delay of the latest direct call or sleep."""
        self.unsettled_version = -1
        """Version of the latest entry whose answer would be another one if a crash came before its commit."""
        self.now: Instant
        """The workflow's own time: it moves only with its log and the responses it took."""
        self.responses: list[ev.Response] = []
        entries = list(log)
        self.now = entries[0].at
        self._life = Life(entries)
        self._entries = [entry for entry in entries if isinstance(entry.event, ev.HistoryEvent)]
        self._position = 0
        self._waiting: JoinSet | None = None
        self._arrived: dict[JoinSetId, list[ev.Response]] = {}
        self._answered: set[str] = set()
        self._submitted = ""
        """The id of the latest submission."""
        self._failures_named: dict[str, bool | None] = {}
        """Of children that were submitted and not taken."""
        self._one_offs = 0
        self._named: set[JoinSetId] = set()
        self._generated = 0
        for response in responses:
            self.arrive(response)

    # What is known of the log

    @property
    def replaying(self) -> bool:
        """Whether recorded entries are left that the guest has not asked for."""
        return self._position < len(self._entries)

    @property
    def version(self) -> int:
        """The version of the next event: how many the log has, fresh ones included."""
        return self._life.projection.version

    @property
    def position(self) -> int:
        """How many history entries the guest has asked for; with an ordinal it names a place in its run."""
        return self._position

    @property
    def deciding(self) -> bool:
        """The outcome is decided: only closing remains, and no guest is needed."""
        return self._life.projection.deciding

    @property
    def decided(self) -> ev.Outcome | None:
        """How it will end, once everything is closed."""
        return self._life.decided

    @property
    def bytes(self) -> int:
        """What log and responses take."""
        return self._life.bytes

    @property
    def warned(self) -> bool:
        """Whether the log says that it is nearly too long."""
        return self._life.warned

    @property
    def projection(self) -> proj.Projection:
        """Where the execution stands. Only meaningful when no recorded entry is left."""
        life = self._life.projection
        waiting = self._blocked_on()
        if waiting is None or isinstance(life.status, proj.Finished):
            return life
        orphaned = life.holder is None and not self._life.parked
        return msgspec.structs.replace(life, status=proj.Blocked(*waiting, life.holder, orphaned))

    def _blocked_on(self) -> tuple[JoinSetId | None, int] | None:
        if self.deciding:
            return (None, len(self.open)) if self.open else None
        if self._waiting is None or not self._waiting.remaining:
            return None
        return self._waiting.id, self._waiting.remaining

    def run_to_end(self) -> None:
        """Fold what is recorded without a guest: the log alone says what is open."""
        while self.replaying:
            if self._waiting is not None:
                self.resume()
            entry = self._entries[self._position]
            self._position += 1
            self._fold(entry.event)

    def take_fresh(self) -> tuple[list[ev.Recorded], list["Submission"]]:
        fresh, self.fresh = self.fresh, []
        submissions, self.submissions = self.submissions, []
        return fresh, submissions

    def arrive(self, response: ev.Response) -> None:
        """One more response, in the order of the response list."""
        located = join_set_of(ExecutionId(response.id))
        assert located is not None
        assert response.position == len(self.responses) + 1
        join_set = located[0]
        self.responses.append(response)
        self._answered.add(response.id)
        self._arrived.setdefault(join_set, []).append(response)
        self.open.pop(response.id, None)
        if join_set in self.sets:
            self.sets[join_set].open.pop(response.id, None)
        self._life.answered(response)

    # Life of the execution

    def record_life(self, event: ev.LifeEvent, now: Instant) -> None:
        """Append an event that is no host call: locked, outcome decided, finished …"""
        entry = ev.Recorded(version=self.version, at=now, event=event)
        self._life.add(entry)
        self.fresh.append(entry)

    def interpose(self, control: Sequence[ev.Recorded]) -> None:
        """Take over control events (`is_control`) of somebody else; what is not durable yet moves up behind them."""
        first = control[0].version
        self._entries = moved_up(self._entries, first, len(control))
        self.fresh = moved_up(self.fresh, first, len(control))
        if self.unsettled_version >= first:
            self.unsettled_version += len(control)
        self._life.interpose(control)

    def finish_replay(self) -> None:
        """The function returned: no recorded entry may be left. Raises: Nondeterminism."""
        if self.replaying:
            entry = self._entries[self._position]
            raise Nondeterminism(entry.version, describe(entry.event), None)

    # Host calls. Each raises Nondeterminism if the log recorded something else here.

    def create_join_set(self, now: Instant, name: str | None = None) -> JoinSetId | None:
        """A generated set, or one of this name; None: the name is or was in use."""
        join_set = JoinSetId(f"g:{self._generated + 1}" if name is None else f"n:{name}")
        if join_set in self._named:
            return None
        self._record(ev.JoinSetCreated(join_set=join_set), now)
        return join_set

    def call(self, function: Ffqn, params: str, now: Instant, forms: "Forms | None" = None) -> ExecutionId:
        """A direct call: a one-off join set with one child that is awaited (`resume`)."""
        return self.submit(self._next_one_off(None), function, params, now, forms)

    def submit(
        self, join_set: JoinSetId, function: Ffqn, params: str, now: Instant, forms: "Forms | None" = None
    ) -> ExecutionId:
        text, failure_named = forms or _NOT_RECORDED
        self._record(ev.ChildSubmitted(join_set, function, params, text, failure_named), now)
        return ExecutionId(self._submitted)

    def refuse(self, refusal: ev.SubmissionRefused, now: Instant) -> None:
        self._record(refusal, now)
        self.unsettled_version = self.version - 1

    def try_next(self, join_set: JoinSetId, now: Instant) -> Taken | AllProcessed | NotYet:
        """The next response if it is there. Whether it was is recorded, so that replay sees the same."""
        set_ = self.sets[join_set]
        if set_.exhausted:
            return AllProcessed()
        asked = ev.TriedNext(join_set, pending=set_.awaited >= len(set_.arrived))
        if self._answered_by(asked, lambda: asked, now).pending:
            return NotYet()
        taken = self.resume()
        assert isinstance(taken, Taken)
        return taken

    def generate_id(self, choose: Callable[[], ExecutionId], now: Instant) -> ExecutionId:
        return self._answered_by(ev.IdGenerated(ExecutionId("")), lambda: ev.IdGenerated(choose()), now).id

    def schedule(self, asked: ev.Scheduled, decide: Callable[[], ev.Scheduled], now: Instant) -> ev.Scheduled:
        """`decide` completes what is asked with an id, a due time or an error; it is asked only for a new one."""
        return self._answered_by(asked, decide, now)

    def stub(self, answered: ev.Stubbed, now: Instant) -> ev.Stubbed:
        """Record what supplying a result was answered; `replays_stub` tells before whether it is a replay."""
        return self._answered_by(answered, lambda: answered, now)

    def replays_stub(self, asked: ev.Stubbed) -> bool:
        """Whether this was asked before, so that `stub` has its answer. Raises: Nondeterminism, before it is done."""
        if not self.replaying:
            return False
        entry = self._entries[self._position]
        if not self._same_call(entry.event, asked):
            raise Nondeterminism(entry.version, describe(entry.event), describe(asked))
        return True

    def recorded_submission(self) -> ev.ChildSubmitted | ev.SubmissionRefused | None:
        """The submission recorded next, if replay is at one: what `submit-json` was answered then."""
        if not self.replaying:
            return None
        event = self._entries[self._position].event
        return event if isinstance(event, ev.ChildSubmitted | ev.SubmissionRefused) else None

    def sleep(self, schedule: Schedule, name: str | None, now: Instant) -> str:
        """A delay in a one-off join set that is awaited (`resume`); its id."""
        join_set = self._next_one_off(name)
        self._record(schedule.submitted(join_set, now), now)
        return self._submitted

    def submit_delay(self, join_set: JoinSetId, schedule: Schedule, now: Instant) -> str:
        self._record(schedule.submitted(join_set, now), now)
        return self._submitted

    def await_next(self, join_set: JoinSetId, function: Ffqn | None, now: Instant) -> AllProcessed | None:
        """Ask for the next response; get it from `resume`. Nothing is recorded if nothing is left to come."""
        if self.sets[join_set].exhausted:
            return AllProcessed()
        self._record(ev.AwaitedNext(join_set=join_set, function=function), now)
        return None

    def close(self, join_set: JoinSetId, now: Instant) -> None:
        """Begin to close a set; `resume` tells when it is done."""
        self._record(ev.JoinSetClosed(join_set=join_set), now)

    def draw(self, call: str, choose: Callable[[], str], now: Instant) -> str:
        """A recorded random value; `choose` is asked only for a new one."""
        asked = ev.RandomDrawn(call=call, value="")
        return self._answered_by(asked, lambda: ev.RandomDrawn(call=call, value=choose()), now).value

    def _answered_by(self, asked: HistoryForm, decide: Callable[[], HistoryForm], now: Instant) -> HistoryForm:
        """A call whose answer replay cannot recompute: the recorded one, or a new one that a crash may still change."""
        if self.replaying:
            return self._record(asked, now)
        self.unsettled_version = self.version
        return self._record(decide(), now)

    def resume(self) -> Taken | SetClosed | None:
        """What the workflow waits for, once it is there; None while it is not."""
        join_set = self._waiting
        assert join_set is not None
        if join_set.remaining:
            return None
        self._waiting = None
        if join_set.closed:
            self._forget(join_set)
            return SetClosed()
        response, function = join_set.take()
        self.now = max(self.now, response.at)
        taken = Taken(response, function, self._failures_named.pop(response.id, None))
        self.processed[response.id] = taken
        if join_set.id.startswith("o:"):
            self._forget(join_set)
        return taken

    # How an entry changes the fold

    def _next_one_off(self, name: str | None) -> JoinSetId:
        return JoinSetId(f"o:{self._one_offs + 1}" + (f"-{name}" if name else ""))

    def _record(self, event: HistoryForm, now: Instant) -> HistoryForm:
        if self._position < len(self._entries):
            entry = self._entries[self._position]
            if entry.event != event and not self._same_call(entry.event, event):
                raise Nondeterminism(entry.version, describe(entry.event), describe(event))
            assert isinstance(entry.event, type(event))
            event = entry.event
            self._position += 1
            self.now = max(self.now, entry.at)
            self._fold(event)
            return event
        entry = ev.Recorded(version=self.version, at=now, event=event)
        self._life.add(entry)
        self.fresh.append(entry)
        self._entries.append(entry)
        self._position += 1
        self.now = max(self.now, now)
        self._fold(event)
        if isinstance(event, ev.ChildSubmitted | ev.DelaySubmitted):
            self.submissions.append(Submission(self._submitted, now, event))
        elif isinstance(event, ev.Scheduled) and not event.error:
            self.submissions.append(Submission(event.id, now, event))
        return event

    def _same_call(self, recorded: ev.Event, asked: ev.HistoryEvent) -> bool:
        """Whether two entries are the same call though they differ in what the call was answered."""
        if type(recorded) is not type(asked):
            return False
        calls = unanswered(recorded), unanswered(asked)
        return calls[0] == calls[1] or (
            bool(self._life.origins) and self._relative(calls[0]) == self._relative(calls[1])
        )

    def _relative(self, event: ev.Event) -> ev.Event:
        """The entry with ids below the executions it was forked from as ids below this one."""
        own = path_of(self.id)
        fields: dict[str, Any] = {}
        for name, value in msgspec.structs.asdict(event).items():
            if isinstance(value, str):
                for origin in self._life.origins:
                    value = value.replace(origin, own)  # noqa: PLW2901 - one origin after the other
                fields[name] = value
        return msgspec.structs.replace(event, **fields)

    def _fold(self, event: ev.Event) -> None:
        match event:
            case ev.ChildSubmitted():
                join_set = self._opened(event.join_set)
                child = child_id(self.id, event.join_set, join_set.submitted + 1)
                self._submit(join_set, child, event.function)
                self._failures_named[child] = event.failure_named
            case ev.AwaitedNext() | ev.TriedNext(pending=False):
                self._wait_for_next(self.sets[event.join_set])
            case ev.JoinSetCreated():
                if event.join_set.startswith("g:"):
                    self._generated += 1
                else:
                    self._named.add(event.join_set)
                self._add(event.join_set)
            case ev.DelaySubmitted():
                join_set = self._opened(event.join_set)
                delay = delay_id(self.id, event.join_set, join_set.submitted + 1)
                self._submit(join_set, delay, None)
            case ev.JoinSetClosed():
                join_set = self.sets[event.join_set]
                join_set.closed = True
                self._waiting = join_set
            case _:
                pass

    def _submit(self, join_set: JoinSet, submission: str, function: Ffqn | None) -> None:
        answered = submission in self._answered
        join_set.submit(submission, function, answered=answered)
        if not answered:
            self.open[submission] = function
        self._submitted = submission
        if join_set.id.startswith("o:"):
            self.last_one_off = submission
            if function is not None:
                self.last_direct = ExecutionId(submission)

    def _opened(self, id_: JoinSetId) -> JoinSet:
        """The set a submission goes to; one-off sets come into being with it and are awaited at once."""
        if not id_.startswith("o:"):
            return self.sets[id_]
        self._one_offs += 1
        join_set = self._add(id_)
        self._wait_for_next(join_set)
        return join_set

    def _add(self, id_: JoinSetId) -> JoinSet:
        join_set = self.sets[id_] = JoinSet(id_, self._arrived.setdefault(id_, []))
        return join_set

    def _wait_for_next(self, join_set: JoinSet) -> None:
        join_set.awaited += 1
        self._waiting = join_set

    def _forget(self, join_set: JoinSet) -> None:
        for untaken in join_set.functions:
            self._failures_named.pop(untaken, None)
        if join_set.arrived:
            self.now = max(self.now, *(response.at for response in join_set.arrived))
        del self.sets[join_set.id]
        del self._arrived[join_set.id]


@dataclass(frozen=True, slots=True)
class Submission:
    """A child, a delay or a scheduled execution that is to be created with the entry that asked for it."""

    id: str
    at: Instant
    event: ev.ChildSubmitted | ev.DelaySubmitted | ev.Scheduled


def fold(execution_id: ExecutionId, log: Iterable[ev.Recorded], responses: Iterable[ev.Response]) -> proj.Projection:
    """The projection of any execution from its log and responses: what a store must hold beside them."""
    history = History(execution_id, log, responses)
    history.run_to_end()
    return history.projection
