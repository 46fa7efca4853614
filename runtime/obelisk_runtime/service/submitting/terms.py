"""Under which terms a client submits an execution, beside its function and parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.core.schedules import Schedule
from obelisk_runtime.ports.store import NewExecution
from obelisk_runtime.service.executions.creating import new_execution

SUBMITTED_PAUSED = "submitted paused"


@dataclass(frozen=True, slots=True)
class Terms:
    tags: Mapping[str, str] | None = None
    due: Schedule | None = None
    """When it may begin; None: at once."""
    deadline: Schedule | None = None
    """When it is ended if it has not ended by then. Its children inherit it."""
    paused: bool = False
    """It waits until it is resumed."""

    @property
    def waits(self) -> bool:
        return self.paused or self.due is not None

    def imposed(self, created: ev.Created, now: Instant) -> ev.Created:
        due, deadline = (None if at is None else at.instant(now) for at in (self.due, self.deadline))
        tags = dict(self.tags) if self.tags else None
        return msgspec.structs.replace(created, tags=tags, due=due, deadline=deadline)

    def waiting(self, created: ev.Created, execution_id: ExecutionId, now: Instant) -> NewExecution:
        """A new execution that nobody holds yet."""
        paused = (ev.Paused(SUBMITTED_PAUSED),) if self.paused else ()
        return new_execution(execution_id, created, now, *paused)


AT_ONCE = Terms()
