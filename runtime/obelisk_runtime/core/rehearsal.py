"""Replaying a history to its end and no further: what the guest asked for is compared, nothing is recorded."""

from dataclasses import dataclass
from typing import assert_never

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.entries import describe
from obelisk_runtime.core.history import History, HistoryForm, Nondeterminism
from obelisk_runtime.core.ids import Instant

_BY_THE_GUEST = frozenset({ev.FailureKind.TRAPPED, ev.FailureKind.OUT_OF_FUEL})
"""Failures that a replay reproduces; the others were decided by somebody else."""


class Rehearsal(History):
    """A call beyond the last entry raises Nondeterminism with nothing recorded: there the history ends."""

    def replays_stub(self, asked: ev.Stubbed) -> bool:
        if not self.replaying:
            raise Nondeterminism(self.version, None, describe(asked))
        return super().replays_stub(asked)

    def _record(self, event: HistoryForm, now: Instant) -> HistoryForm:
        if not self.replaying:
            raise Nondeterminism(self.version, None, describe(event))
        return super()._record(event, now)

    @property
    def next_entry(self) -> ev.Recorded | None:
        """The entry that the guest should ask for next."""
        return self._entries[self._position] if self.replaying else None


@dataclass(frozen=True, slots=True)
class Asked:
    """The guest asked for more than is recorded."""

    call: str


@dataclass(frozen=True, slots=True)
class Waits:
    """The guest waits for a response that has not come."""


GuestEnd = Asked | Waits | ev.Ok | ev.Err | ev.Failed
"""Where the guest stands when its history has ended."""


def own_end(events: list[ev.Recorded]) -> tuple[int, ev.Outcome] | None:
    """The version and outcome that the guest itself brought about; None: it runs, or others ended it."""
    for entry in events:
        match entry.event:
            case ev.OutcomeDecided(outcome=outcome) | ev.Finished(outcome=outcome):
                foreign = isinstance(outcome, ev.Failed) and outcome.kind not in _BY_THE_GUEST
                return None if foreign else (entry.version, outcome)
            case _:
                pass
    return None


def compare(rehearsal: Rehearsal, recorded: tuple[int, ev.Outcome] | None, end: GuestEnd) -> Nondeterminism | None:
    """The difference between what is recorded and where the guest came to; None: it is the same."""
    left = rehearsal.next_entry
    if left is not None:
        return Nondeterminism(left.version, describe(left.event), end_text(end))
    if recorded is None:
        trapped = isinstance(end, ev.Failed)
        return Nondeterminism(rehearsal.version, None, end_text(end)) if trapped else None
    version, outcome = recorded
    return None if _same_end(outcome, end) else Nondeterminism(version, end_text(outcome), end_text(end))


def _same_end(recorded: ev.Outcome, end: GuestEnd) -> bool:
    if isinstance(recorded, ev.Failed) and isinstance(end, ev.Failed):
        return recorded.kind is end.kind
    return recorded == end


def end_text(end: GuestEnd) -> str | None:
    """In words."""
    match end:
        case Asked(call=call):
            return call
        case Waits():
            return "to wait"
        case ev.Ok(value=value):
            return f"to return ok({value or ''})"
        case ev.Err(value=value):
            return f"to return err({value or ''})"
        case ev.Failed(kind=kind, reason=reason):
            return f"to end: {kind.label}: {reason}"
        case _:
            assert_never(end)
