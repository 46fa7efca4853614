"""Join sets of one workflow: what was submitted, what answered, what was taken."""

from dataclasses import dataclass, field

from obelisk_runtime.core.events import Response
from obelisk_runtime.core.ids import JoinSetId
from obelisk_runtime.core.names import Ffqn


@dataclass(slots=True)
class JoinSet:
    """A mutable fold: each step is O(1)."""

    id: JoinSetId
    arrived: list[Response]
    """In the order of the parent's response list, which is the order the workflow sees."""
    submitted: int = 0
    awaited: int = 0
    """How many responses were asked for by `awaited next`."""
    closed: bool = False
    open: dict[str, Ffqn | None] = field(default_factory=dict[str, Ffqn | None])
    """Submissions without a response, in order of creation: the function of a child, None for a delay."""
    functions: dict[str, Ffqn | None] = field(default_factory=dict[str, Ffqn | None])
    """The same for every submission that was not taken."""
    last: str | None = None
    """The id of the response most recently taken."""

    @property
    def starving(self) -> bool:
        """Asked for a response that has not come."""
        return self.awaited > len(self.arrived)

    @property
    def exhausted(self) -> bool:
        """Every submission was taken: there is nothing to wait for."""
        return self.awaited >= self.submitted

    @property
    def remaining(self) -> int:
        """How many responses must come before the workflow that waits for this set goes on."""
        return len(self.open) if self.closed else int(self.starving)

    def submit(self, response_id: str, function: Ffqn | None, *, answered: bool) -> None:
        self.submitted += 1
        self.functions[response_id] = function
        if not answered:
            self.open[response_id] = function

    def take(self) -> tuple[Response, Ffqn | None]:
        """The response that the latest `awaited next` asked for, and its function. Must not be starving."""
        response = self.arrived[self.awaited - 1]
        self.last = response.id
        return response, self.functions.pop(response.id)
