"""How many executions run at once in this process: of each kind, of each function, and shared fairly.

The last quarter of the slots of a kind is kept for those who hold few: whoever floods the server (a workflow with
thousands of children, a client with thousands of submits of one function) fills the rest and then waits in the store,
while a child of another workflow or a submit of another function still begins at once.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, owner_of
from obelisk_runtime.core.names import Ffqn

KEPT_SHARE = 4
"""One in so many slots is kept for those who hold few."""
FEW = 8
"""Who holds fewer slots than this, and than half of the kept ones, holds few."""


class Slots:
    def __init__(self, capacity: Mapping[ev.ExecutionKind, int], function_limit: Callable[[Ffqn], int | None]) -> None:
        self.capacity = dict(capacity)
        self._function_limit = function_limit
        self._of_kind = Counter[ev.ExecutionKind]()
        self._of_function = Counter[Ffqn]()
        self._of_owner = Counter[str]()
        self.claimed = Counter[ev.ExecutionKind]()
        """Slots that a claim under way may fill."""
        self.claiming: frozenset[Ffqn] = frozenset()
        """Functions with a limit that it may fill."""

    def take(self, kind: ev.ExecutionKind, execution_id: ExecutionId, function: Ffqn) -> bool:
        """A slot for an execution that begins now; False: there is none for it."""
        if function in self.claiming or self.function_room(function) == 0:
            return False
        owner = owner_of(execution_id, function)
        free = self.free(kind)
        kept = self._kept(kind)
        if free <= 0 or (free <= kept and self._of_owner[owner] >= min(FEW, max(kept // 2, 1))):
            return False
        self.hold(kind, execution_id, function)
        return True

    def hold(self, kind: ev.ExecutionKind, execution_id: ExecutionId, function: Ffqn) -> None:
        """A slot for an execution that runs whether or not there is one."""
        self._count(execution_id, kind, function, 1)

    def give_back(self, kind: ev.ExecutionKind, execution_id: ExecutionId, function: Ffqn) -> None:
        self._count(execution_id, kind, function, -1)

    def _count(self, execution_id: ExecutionId, kind: ev.ExecutionKind, function: Ffqn, change: int) -> None:
        owner = owner_of(execution_id, function)
        self._of_kind[kind] += change
        self._of_function[function] += change
        self._of_owner[owner] += change
        if not self._of_owner[owner]:
            del self._of_owner[owner]

    def free(self, kind: ev.ExecutionKind) -> int:
        return self.capacity[kind] - self._of_kind[kind] - self.claimed[kind]

    def room(self, kind: ev.ExecutionKind) -> int:
        """How many a claim may lock; what waits in the store does not get the kept slots."""
        return max(0, self.free(kind) - self._kept(kind))

    def function_room(self, function: Ffqn) -> int | None:
        """How many more of this function may run; None: it has no limit of its own."""
        limit = self._function_limit(function)
        return None if limit is None else max(0, limit - self._of_function[function])

    def _kept(self, kind: ev.ExecutionKind) -> int:
        return self.capacity[kind] // KEPT_SHARE
