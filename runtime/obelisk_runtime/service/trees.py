"""What is done with whole trees of executions: fork, export, import, hold, prune."""

from obelisk_runtime.core.ids import Digest, ExecutionId, Instant, top_of
from obelisk_runtime.service import forking
from obelisk_runtime.service.node import Node
from obelisk_runtime.service.retention import Pruned, Retention


class Trees:
    """A part of the service."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.retention = Retention(node)

    async def fork(self, origin: ExecutionId, version: int, component: Digest | bytes | None = None) -> ExecutionId:
        """A new execution that reuses the history of a workflow before this version, and goes on from there.

        `component`: another one to run on, by the digest of one that the store has or as bytes; None: the original's.
        Raises: ExecutionNotFound, NotAWorkflow, CannotFork, BytesMissing, BrokenBytes, StoreUnavailable.
        """
        return await forking.fork_execution(self._node, origin, version, component)

    async def hold(self, execution_id: ExecutionId, *, held: bool) -> bool:
        """Keep the tree of an execution from being deleted when it is old, or no longer; False: it was so already.

        Raises: ExecutionNotFound, StoreUnavailable.
        """
        return await self._node.store.hold(top_of(execution_id), held=held)

    async def is_held(self, execution_id: ExecutionId) -> bool:
        """Raises: ExecutionNotFound."""
        return await self._node.store.is_held(top_of(execution_id))

    async def prune(self, older_than: int, *, cursor: str | None = None) -> Pruned:
        """Delete the trees that finished so many microseconds ago and are not held, from a part of the store.

        Raises: InvalidName for a cursor not given here, StoreUnavailable.
        """
        return await self.retention.prune(Instant(self._node.clock.now() - older_than), cursor)
