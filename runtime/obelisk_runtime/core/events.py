"""The log: what happened to an execution, as immutable facts.

Each event is a tagged msgspec array. A persisted form is for ever: a tag is never reused, a field is never renamed,
moved or removed, a new field goes last and has a default.
Golden files in tests/golden/events hold every form.

`Ffqn` values need hooks: a store interns them (`enc_hook` gives an integer), the JSON form writes their text.
"""

from enum import IntEnum
from typing import Any

import msgspec

from obelisk_runtime.core.ids import Digest, ExecutionId, ExecutorId, Instant, JoinSetId
from obelisk_runtime.core.names import Ffqn


class ExecutionKind(IntEnum):
    ACTIVITY = 1
    WORKFLOW = 2
    STUB = 3
    """No code: somebody else supplies the result, once."""
    WEBHOOK = 4
    """An HTTP request to a component, which has children as a workflow has; but it cannot be replayed."""

    @property
    def has_children(self) -> bool:
        """Whether its log is a history of submissions, and its end closes what is open."""
        return self in (ExecutionKind.WORKFLOW, ExecutionKind.WEBHOOK)


class FailureKind(IntEnum):
    TRAPPED = 1
    TIMED_OUT = 2
    CANCELLED = 3
    OUT_OF_FUEL = 4
    NONDETERMINISM = 5
    LOST = 6
    REJECTED = 7

    @property
    def label(self) -> str:
        """The product's word: `timed-out`."""
        return self.name.lower().replace("_", "-")


class _Form(msgspec.Struct, frozen=True, array_like=True):
    """Arrays keep a log small; field order is the persisted order."""


# How an execution ends. Values are canonical JSON text of the payload, None where the type has none.


class Ok(_Form, frozen=True, tag=1):
    value: str | None = None


class Err(_Form, frozen=True, tag=2):
    value: str | None = None


class Failed(_Form, frozen=True, tag=3):
    kind: FailureKind
    reason: str
    backtrace: tuple[str, ...] = ()


Outcome = Ok | Err | Failed


# Life of an execution


class Created(_Form, frozen=True, tag=1):
    """The first event. The parent is in the execution's id; without `due` it may begin at once."""

    kind: ExecutionKind
    function: Ffqn
    params: str
    digest: Digest | None = None
    """The component a workflow is pinned to; None for an activity (an attempt takes the deployed one)."""
    seed: bytes | None = None
    """16 random bytes; None: derived from the parent's seed and this id."""
    due: Instant | None = None
    deadline: Instant | None = None
    tags: dict[str, str] | None = None


class Locked(_Form, frozen=True, tag=2):
    """An executor took it up: an attempt of an activity, or a run of a workflow."""

    executor: ExecutorId
    attempt: int
    digest: Digest | None = None


class Unlocked(_Form, frozen=True, tag=3):
    """The holder let go of a workflow: evicted, shut down, or taken over when its executor was lost."""

    reason: str
    parked: bool = False
    """True: it waits and nothing else is to be done for it until a response comes. False: somebody must take it up."""
    died: bool = False
    """It was running, not waiting, when its executor was lost."""


class AttemptFailed(_Form, frozen=True, tag=4):
    """An attempt ended in an `err` of the function or in a failure; the next one is due at `due`."""

    outcome: Outcome
    due: Instant


class AttemptTimedOut(_Form, frozen=True, tag=5):
    """An attempt took too long and was stopped; the next one is due at `due`."""

    due: Instant


class AttemptLost(_Form, frozen=True, tag=6):
    """The executor died or shut down while it held the attempt."""

    reason: str
    due: Instant
    died: bool = False
    """The executor was lost; it did not let go of the attempt by its own will."""


class Paused(_Form, frozen=True, tag=7):
    """Nobody takes it up until it is resumed."""

    reason: str


class Resumed(_Form, frozen=True, tag=8):
    """It goes on."""

    reason: str


class CancelRequested(_Form, frozen=True, tag=9):
    """Somebody wants it to end: a client, or the closing of its join set."""

    reason: str


class OutcomeDecided(_Form, frozen=True, tag=10):
    """The outcome is fixed though children are open; closing is driven from the log alone from here on."""

    outcome: Outcome


class Finished(_Form, frozen=True, tag=11):
    """The last event: how it ended."""

    outcome: Outcome


class Upgraded(_Form, frozen=True, tag=12):
    """A workflow is pinned to another component from here on; its history was replayed against it."""

    digest: Digest


class Forked(_Form, frozen=True, tag=16):
    """What came before is a copy of another execution's log, up to this version of it; nobody holds it, nor paused it.

    Ids below `origin` in the copy stand for the same ids below this execution.
    """

    origin: ExecutionId


class HistoryWarned(_Form, frozen=True, tag=17):
    """The history nears its limits; beyond them the workflow ends with a failure."""

    events: int
    bytes: int


# History of a workflow: one entry for each host call that replay must match.


class JoinSetCreated(_Form, frozen=True, tag=20):
    """A set for children and delays."""

    join_set: JoinSetId


class ChildSubmitted(_Form, frozen=True, tag=21):
    """In a one-off join set (`o:`) it is a direct call: it also creates the set and awaits its only response."""

    join_set: JoinSetId
    function: Ffqn
    params: str
    text: str | None = None
    """Compact JSON of what `submit-json` or `call-json` was given, where that is not `params`."""
    failure_named: bool | None = None
    """How a failure of the child reads as JSON: the text `execution_failed`, or an err without payload.

    None: a log of before this was recorded.
    """


class SubmissionRefused(_Form, frozen=True, tag=22):
    """`submit-json`, or `call-json` (with an empty `join_set`), answered an error: nothing was submitted."""

    join_set: JoinSetId
    function: str
    params: str
    error: str
    message: str = ""


class DelaySubmitted(_Form, frozen=True, tag=23):
    """In a one-off join set it is a sleep: it also creates the set and awaits its only response."""

    join_set: JoinSetId
    asked: int
    """Microseconds: a duration if `relative`, else an instant."""
    relative: bool
    wakes: Instant


class AwaitedNext(_Form, frozen=True, tag=24):
    """Takes the next response of the set. `function`: the one a typed await-next asked for."""

    join_set: JoinSetId
    function: Ffqn | None = None


class JoinSetClosed(_Form, frozen=True, tag=25):
    """The set is given up: what it had open is cancelled."""

    join_set: JoinSetId


class RandomDrawn(_Form, frozen=True, tag=26):
    """`call` is the host function with its bounds, `random-u64(1, 7)`; `value` its answer as JSON."""

    call: str
    value: str


class TriedNext(_Form, frozen=True, tag=29):
    """Takes the next response of the set if it is there; `pending`: it was not."""

    join_set: JoinSetId
    pending: bool


class IdGenerated(_Form, frozen=True, tag=30):
    """An id for an execution that may be scheduled with it."""

    id: ExecutionId


class Scheduled(_Form, frozen=True, tag=31):
    """A new top-level execution, due at `due`; or nothing, with an `error`."""

    id: ExecutionId
    generated: bool
    """The id was made by this call, not given."""
    function: str
    params: str
    asked: int
    relative: bool
    due: Instant
    error: str = ""
    message: str = ""


class Stubbed(_Form, frozen=True, tag=32):
    """The result of a stub execution was supplied; `error` is what that was answered, empty if it was taken."""

    id: str
    result: str
    error: str = ""
    message: str = ""


HistoryEvent = (
    JoinSetCreated
    | ChildSubmitted
    | SubmissionRefused
    | DelaySubmitted
    | AwaitedNext
    | JoinSetClosed
    | RandomDrawn
    | TriedNext
    | IdGenerated
    | Scheduled
    | Stubbed
)
LifeEvent = (
    Created
    | Locked
    | Unlocked
    | AttemptFailed
    | AttemptTimedOut
    | AttemptLost
    | Paused
    | Resumed
    | CancelRequested
    | OutcomeDecided
    | Finished
    | Upgraded
    | Forked
    | HistoryWarned
)
Event = LifeEvent | HistoryEvent


class Recorded(_Form, frozen=True):
    """An event at its place in a log. Versions count from 0 without gaps."""

    version: int
    at: Instant
    event: Event


# Responses to a parent: a second list beside its log, positions from 1 without gaps.


class ChildFinished(_Form, frozen=True, tag=1):
    outcome: Outcome


class DelayDue(_Form, frozen=True, tag=2):
    pass


class DelayCancelled(_Form, frozen=True, tag=3):
    pass


class Response(_Form, frozen=True):
    """`id` is the execution or delay id of what answered; its join set is readable from it."""

    position: int
    at: Instant
    id: str
    result: ChildFinished | DelayDue | DelayCancelled


def event_name(event: Event) -> str:
    """The product's word for an event: `child-submitted`."""
    return EVENT_NAMES[type(event)]


def _kebab(name: str) -> str:
    return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-")


EVENT_NAMES: dict[type[Any], str] = {form: _kebab(form.__name__) for form in Event.__args__}
"""The product's word for each form of an event."""
