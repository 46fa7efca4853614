"""What this process did since it started, as plain counters: one costs less than a microsecond."""

from collections import Counter, deque
from dataclasses import dataclass, field

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.names import Ffqn, is_among
from obelisk_runtime.core.projection import result_label
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.core.retry import SECOND
from obelisk_runtime.ports.figures import Durations

INTERVAL = 10 * SECOND
"""Of the throughput, in microseconds."""
INTERVALS_MAX = 360
"""How many of them are kept."""
FUNCTIONS_MAX = 1_000
"""Functions that are counted by name; the others are counted together."""
OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Interval:
    """How many executions ended in `INTERVAL` microseconds from `start` on."""

    start: Instant
    ok: int
    err: int
    failed: int


@dataclass(frozen=True, slots=True)
class _Ends:
    start: Instant
    counts: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """By function and the field of an Interval."""


@dataclass(slots=True)
class Measures:
    finished: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """By function and result label."""
    attempts: Counter[str] = field(default_factory=Counter[str])
    """Of activities that ended here, by how: a result label, `lost`, or `paused`."""
    requests: Counter[str] = field(default_factory=Counter[str])
    """HTTP requests of guests, by the class of the status (`2xx`) or the error."""
    replays: int = 0
    """Workflows that were taken up again from their logs."""
    starts: Durations = field(default_factory=Durations)
    """From the lock to the beginning of the guest."""
    _ends: deque[_Ends] = field(default_factory=lambda: deque[_Ends](maxlen=INTERVALS_MAX))
    _functions: set[str] = field(default_factory=set[str])

    def ended(self, function: Ffqn, outcome: ev.Outcome, now: Instant) -> None:
        """An execution's end was committed."""
        name = self._name(function)
        self.finished[name, result_label(outcome)] += 1
        if not self._ends or now - self._ends[-1].start >= INTERVAL:
            self._ends.append(_Ends(Instant(now - now % INTERVAL)))
        ending = "failed" if isinstance(outcome, ev.Failed) else result_label(outcome)
        self._ends[-1].counts[name, ending] += 1

    def throughput(self, within: tuple[str, ...] | None = None) -> list[Interval]:
        """Oldest first, without intervals in which nothing ended. `within`: of these functions (`is_among`)."""
        found: list[Interval] = []
        for ends in self._ends:
            sums = Counter[str]()
            for (name, ending), count in ends.counts.items():
                if within is None or is_among(name, within):
                    sums[ending] += count
            if sums:
                found.append(Interval(ends.start, sums["ok"], sums["err"], sums["failed"]))
        return found

    def _name(self, function: Ffqn) -> str:
        if function.text not in self._functions:
            if len(self._functions) >= FUNCTIONS_MAX:
                return OTHERS
            self._functions.add(function.text)
        return function.text

    def requested(self, made: RequestMade) -> None:
        """A guest's HTTP request ended."""
        self.requests[made.error or f"{(made.status or 0) // 100}xx"] += 1

    def attempted(self, event: ev.LifeEvent) -> None:
        """An attempt of an activity ended with this event."""
        match event:
            case ev.Finished(outcome) | ev.AttemptFailed(outcome):
                self.attempts[result_label(outcome)] += 1
            case ev.AttemptTimedOut():
                self.attempts[ev.FailureKind.TIMED_OUT.label] += 1
            case ev.AttemptLost():
                self.attempts[ev.FailureKind.LOST.label] += 1
            case _:
                pass
