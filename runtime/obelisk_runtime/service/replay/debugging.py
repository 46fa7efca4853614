"""Where a workflow stood at one event of its log: its history is run up to there, and its guest is looked at.

Nothing is written anywhere. What is told is bounded, and so is the time that it takes.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.entries import describe, unanswered
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.guest_outcomes import GuestOutcome, Trapped
from obelisk_runtime.core.history import History, HistoryForm, Taken
from obelisk_runtime.core.ids import Digest, ExecutionId, Instant, JoinSetId, join_set_of
from obelisk_runtime.core.join_sets import JoinSet
from obelisk_runtime.core.rehearsal import Rehearsal, Waits, end_text, own_end
from obelisk_runtime.core.values import FunctionCodec
from obelisk_runtime.ports import engine as guest
from obelisk_runtime.ports.store import LogRecord
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.guests.log import GuestLog, LogPlace
from obelisk_runtime.service.process.logs import Record
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.replay.rehearsing import Differs, Rehearsing, Unfit, codec_of
from obelisk_runtime.service.replay.scene import (
    Got,
    HostCall,
    Member,
    OpenSet,
    Progress,
    Scene,
    SourceFrame,
    Symbol,
    Told,
)
from obelisk_runtime.service.replay.story import Story, read_story
from obelisk_runtime.service.workflows.context import WorkflowContext

DEBUG_SECONDS_MAX = 10.0
"""A guest that has not come to the event by then is given up."""
SETS_MAX = 100
MEMBERS_MAX = 200
"""Of each join set, the latest."""
RECORDS_MAX = 200
RECORD_BYTES_MAX = 64 * 1024
"""Of all log records, the latest."""
ASKED_CHARACTERS_MAX = 16 * 1024
SOURCE_FRAMES_MAX = 64
SYMBOLS_MAX = 16
NAME_CHARACTERS_MAX = 1_024
CUT = " … (cut)"


class EventNotFound(ObeliskError):
    """The log has no event of this version."""

    def __init__(self, execution_id: ExecutionId, version: int, events: int) -> None:
        super().__init__(f"{execution_id} has no event {version}; its events are 0 to {events - 1}")
        self.execution_id = execution_id


async def debug(node: Node, execution_id: ExecutionId, version: int, digest: Digest | None = None) -> Scene:
    """On the component it is pinned to, or another one of the store.

    Raises: ExecutionNotFound, NotAWorkflow, EventNotFound, StoreUnavailable, BytesMissing, BrokenBytes.
    """
    story = await read_story(node.store, execution_id)
    if version >= len(story.log):
        raise EventNotFound(execution_id, version, len(story.log))
    assert story.projection.digest is not None
    component = await node.deployment.pinned(digest or story.projection.digest, story.projection.function)
    scene = Scene(component.digest, story.log[version], now=story.log[0].at)
    codec = codec_of(story, component)
    if isinstance(codec, Unfit):
        return replace(scene, difference=codec)
    until = _call_at(story, version)
    end = own_end(story.log)
    if end is not None and end[0] <= version:
        return await _Stepping(node, story, component, codec, None).to_the_end(scene)
    if until is None:
        return scene
    return await _Stepping(node, story, component, codec, until).to(until, scene)


def _call_at(story: Story, version: int) -> ev.Recorded | None:
    """The latest call up to this event."""
    entries = (entry for entry in reversed(story.log[: version + 1]) if isinstance(entry.event, ev.HistoryEvent))
    return next(entries, None)


class _Reached(guest.GuestTrap):
    """The guest stands in the call that it was to be brought to; the trap tells where that is."""


class _UpTo(Rehearsal):
    """A rehearsal that stops the guest in one call, which it has folded by then."""

    def __init__(self, story: Story, until: ev.Recorded | None) -> None:
        super().__init__(story.id, story.log, story.responses)
        self._until = until
        self.reached = False

    def _record(self, event: HistoryForm, now: Instant) -> HistoryForm:
        recorded = super()._record(event, now)
        if self._entries[self._position - 1] is self._until:
            self.reached = True
            raise _Reached
        return recorded

    @property
    def latest_submission(self) -> str:
        return self._submitted

    @property
    def waits(self) -> bool:
        """Whether the latest call waits for something."""
        return self._waiting is not None


class _Stepping(Rehearsing):
    def __init__(
        self,
        node: Node,
        story: Story,
        component: DeployedComponent,
        codec: FunctionCodec,
        until: ev.Recorded | None,
        last_reading: int | None = None,
    ) -> None:
        """`last_reading`: see `_ListeningContext`."""
        self._up_to = _UpTo(story, until)
        super().__init__(node, story, component, codec, self._up_to)
        self._context = _ListeningContext(self, self.seed, last_reading)

    async def to(self, until: ev.Recorded, scene: Scene) -> Scene:
        """The guest in this call."""
        outcome = await self.play(self._context, DEBUG_SECONDS_MAX)
        if isinstance(outcome, Unfit):
            return replace(self._seen(scene), difference=outcome)
        if not self._up_to.reached:
            verdict = self.verdict(outcome)
            assert isinstance(verdict, Differs), "a guest that asks for all that is recorded comes to this call"
            return replace(self._seen(scene), difference=verdict, backtrace=verdict.position)
        seen = self._seen(scene, until.at)
        frames = await self._frames_of_wait(until) if self._context.waits else _frames(outcome)
        asked = _shortened(describe(unanswered(until.event)))
        assert isinstance(until.event, ev.HistoryEvent)
        call = HostCall(until.version, asked, self._got(until.event))
        return replace(seen, call=call, backtrace=frames, source=_source(self._context.stated))

    async def _frames_of_wait(self, until: ev.Recorded) -> tuple[str, ...]:
        """Of a call of WASI that waits: the guest was suspended by then, and a suspended guest has no frames to tell.

        The call read the clock before that, so a second run is stopped there.
        """
        last = self._context.readings - 1
        again = _Stepping(self.node, self._story, self.component, self._codec, until, last)
        return _frames(await again.play(again._context, DEBUG_SECONDS_MAX))

    async def to_the_end(self, scene: Scene) -> Scene:
        """The guest after its last call."""
        outcome = await self.play(self._context, DEBUG_SECONDS_MAX)
        if isinstance(outcome, Unfit):
            return replace(self._seen(scene), difference=outcome)
        verdict = self.verdict(outcome)
        seen = replace(self._seen(scene), backtrace=_frames(outcome))
        if isinstance(verdict, Differs):
            return replace(seen, difference=verdict)
        return replace(seen, end=_shortened(end_text(self.end_of(outcome)) or ""))

    def _seen(self, scene: Scene, at: Instant | None = None) -> Scene:
        """What the guest has done so far; responses that came after `at` are still waited for."""
        history = self.history
        self._context.end()
        sets = list(history.sets.values())
        return replace(
            scene,
            now=history.now,
            join_sets=_open_sets(history, sets[-SETS_MAX:], history.now if at is None else at),
            join_sets_total=len(sets),
            records=_latest(self._context.kept.latest),
            records_total=self._context.kept.total,
        )

    def _got(self, event: ev.HistoryEvent) -> Got:
        if self._up_to.waits:
            return self.history.resume() or Waits()
        match event:
            case ev.JoinSetCreated(join_set=join_set):
                return Told(join_set)
            case ev.RandomDrawn(value=value):
                return Told(value)
            case ev.ChildSubmitted() | ev.DelaySubmitted():
                return Told(self._up_to.latest_submission)
            case ev.TriedNext():
                return Told("pending")
            case ev.IdGenerated(id=generated):
                return Told(generated)
            case ev.Scheduled(id=scheduled, error=error, message=message):
                return Told(_error(error, message) or scheduled)
            case ev.Stubbed(error=error, message=message) | ev.SubmissionRefused(error=error, message=message):
                return Told(_error(error, message) or "ok")
            case ev.AwaitedNext() | ev.JoinSetClosed():
                raise AssertionError("these always wait")
            case _:
                assert_never(event)


class _Kept:
    """Records that are looked at, and written nowhere (`logs.Records`)."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self.redact = redact
        self.latest: deque[LogRecord] = deque(maxlen=RECORDS_MAX)
        self.total = 0

    def write(self, record: Record) -> None:
        assert isinstance(record, LogRecord), "workflows make no requests"
        self.latest.append(record)
        self.total += 1


class _ListeningContext(WorkflowContext):
    """`last_reading`: the reading of the clock, counted from 1, in which the guest is stopped; None: in none."""

    def __init__(self, run: Rehearsing, seed: bytes, last_reading: int | None) -> None:
        super().__init__(run, seed)
        self.readings = 0
        """How often the clock was read."""
        self.waits = False
        """A call of WASI waits."""
        self._last_reading = last_reading
        self.kept = _Kept(run.node.logs.redact)
        self._log = GuestLog(self.kept, run.id, run.node.limits)

    def wall_clock(self) -> Instant:
        self.readings += 1
        if self.readings == self._last_reading:
            raise _Reached
        return super().wall_clock()

    async def wait(self, nanoseconds: int) -> None:
        self.waits = True
        await super().wait(nanoseconds)
        self.waits = False

    def _here(self) -> LogPlace:
        return LogPlace(self.run.history.position, self.run.history.now)


def _frames(outcome: GuestOutcome | Unfit) -> tuple[str, ...]:
    return outcome.backtrace if isinstance(outcome, Trapped) else ()


def _source(stated: guest.Value) -> list[SourceFrame]:
    """Of an `option<wasm-backtrace>`."""
    frames: Sequence[guest.Value] = () if stated is None else stated["frames"][:SOURCE_FRAMES_MAX]
    return [
        SourceFrame(
            _name(item["module"]), _name(item["func_name"]), [_symbol(it) for it in item["symbols"][:SYMBOLS_MAX]]
        )
        for item in frames
    ]


def _symbol(stated: guest.Value) -> Symbol:
    function, file = (None if stated[name] is None else _name(stated[name]) for name in ("func_name", "file"))
    return Symbol(function, file, stated["line"], stated["col"])


def _name(text: str) -> str:
    return text if len(text) <= NAME_CHARACTERS_MAX else text[:NAME_CHARACTERS_MAX] + CUT


def _open_sets(history: History, sets: Sequence[JoinSet], at: Instant) -> list[OpenSet]:
    consumed: defaultdict[JoinSetId, dict[str, Taken]] = defaultdict(dict)
    for response_id, taken in history.processed.items():
        consumed[_place(response_id)[0]][response_id] = taken
    return [_open_set(join_set, consumed[join_set.id], at) for join_set in sets]


def _open_set(join_set: JoinSet, consumed: dict[str, Taken], at: Instant) -> OpenSet:
    ids = sorted((*consumed, *join_set.functions), key=_place)
    answered = {response.id: response for response in join_set.arrived if response.at <= at}
    members: list[Member] = []
    for id_ in ids[-MEMBERS_MAX:]:
        taken, response = consumed.get(id_), answered.get(id_)
        if taken is not None:
            members.append(Member(id_, taken.function, Progress.CONSUMED, taken.response.position))
        elif response is not None:
            members.append(Member(id_, join_set.functions[id_], Progress.DELIVERED, response.position))
        else:
            members.append(Member(id_, join_set.functions[id_], Progress.WAITING, None))
    return OpenSet(join_set.id, join_set.closed, members, len(ids))


def _place(response_id: str) -> tuple[JoinSetId, int]:
    """Join set, and number within it."""
    place = join_set_of(ExecutionId(response_id))
    assert place is not None
    return place


def _latest(records: Sequence[LogRecord]) -> list[LogRecord]:
    """As many as are not too much together."""
    left = RECORD_BYTES_MAX
    kept: list[LogRecord] = []
    for record in reversed(records):
        left -= len(record.message)
        if left < 0:
            break
        kept.append(record)
    return kept[::-1]


def _error(error: str, message: str) -> str:
    return f"{error}: {message}" if error and message else error


def _shortened(text: str) -> str:
    return text if len(text) <= ASKED_CHARACTERS_MAX else text[:ASKED_CHARACTERS_MAX] + CUT
