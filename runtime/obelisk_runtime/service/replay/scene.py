"""What is told of a workflow at one event of its log."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import SetClosed, Taken
from obelisk_runtime.core.ids import Digest, Instant, JoinSetId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.rehearsal import Waits
from obelisk_runtime.ports.store import LogRecord
from obelisk_runtime.service.replay.rehearsing import Differs, Unfit


class Progress(StrEnum):
    """What had become of a child or delay by then."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    """It had answered, and the workflow had not taken that yet."""
    CONSUMED = "consumed"


@dataclass(frozen=True, slots=True)
class Member:
    """A child, or a delay, whose `function` is None."""

    id: str
    function: Ffqn | None
    progress: Progress
    position: int | None
    """Of its response, once it was delivered."""


@dataclass(frozen=True, slots=True)
class OpenSet:
    id: JoinSetId
    closing: bool
    members: Sequence[Member]
    """In order of creation; not more than the latest MEMBERS_MAX."""
    total: int


@dataclass(frozen=True, slots=True)
class Told:
    """A call that did not wait was answered this."""

    text: str


Got = Taken | SetClosed | Waits | Told
"""What a call was answered: a response, that its set had closed, nothing so far, or something at once."""


@dataclass(frozen=True, slots=True)
class HostCall:
    """The call that the guest stood in: the latest one that the log had recorded."""

    version: int
    asked: str
    got: Got


@dataclass(frozen=True, slots=True)
class Symbol:
    """A place in a source file; what is not known is None."""

    function: str | None
    file: str | None
    line: int | None
    column: int | None


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """A frame of an interpreted guest, as the guest tells it."""

    module: str
    function: str
    symbols: Sequence[Symbol]


@dataclass(frozen=True, slots=True)
class Scene:
    """The guest at one event."""

    digest: Digest
    event: ev.Recorded
    call: HostCall | None = None
    """None: it had made no call yet, or had ended."""
    now: Instant | None = None
    """The workflow's own time."""
    join_sets: Sequence[OpenSet] = ()
    """Not more than the latest SETS_MAX."""
    join_sets_total: int = 0
    records: Sequence[LogRecord] = ()
    """What the guest had written; their times are the workflow's own."""
    records_total: int = 0
    backtrace: tuple[str, ...] = ()
    """WebAssembly frames, innermost first: of the call, or of the trap that it ended with."""
    source: Sequence[SourceFrame] = ()
    """Where in its own source an interpreted guest said that it made the call, innermost first."""
    end: str | None = None
    """How it had ended by itself."""
    difference: Differs | Unfit | None = None
    """Why it could not be brought there."""
