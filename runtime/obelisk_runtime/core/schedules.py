"""When something is to happen: a duration from now, or an instant."""

from dataclasses import dataclass

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, Instant, JoinSetId

FAR_FUTURE = 2**62
"""Microseconds: some 146,000 years. What is asked for later is meant for never, and a store keeps times in 64 bits."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When: a duration from now (`relative`) or an instant, in microseconds. WIT's `schedule-at`."""

    asked: int
    """At most `FAR_FUTURE`."""
    relative: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "asked", min(self.asked, FAR_FUTURE))

    def instant(self, now: Instant) -> Instant:
        return Instant(now + self.asked) if self.relative else Instant(self.asked)

    def submitted(self, join_set: JoinSetId, now: Instant) -> ev.DelaySubmitted:
        return ev.DelaySubmitted(join_set=join_set, asked=self.asked, relative=self.relative, wakes=self.instant(now))

    def scheduled(
        self, execution_id: ExecutionId, function: str, params: str, now: Instant, *, generated: bool
    ) -> ev.Scheduled:
        return ev.Scheduled(execution_id, generated, function, params, self.asked, self.relative, self.instant(now))
