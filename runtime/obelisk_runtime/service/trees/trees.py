"""What is done with whole trees of executions: fork, export, import, hold, prune."""

from collections.abc import Sequence

from obelisk_runtime.core.ids import Digest, ExecutionId, Instant, top_of
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.trees import forking, transfer
from obelisk_runtime.service.trees.retention import Pruned, Retention


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

    async def export(self, execution_id: ExecutionId) -> list[bytes]:
        """The tree an execution belongs to, a line of JSON for each execution, parents first.

        The lines hold the seeds of workflows: they are as secret as the store.
        Raises: ExecutionNotFound, TreeTooLarge, TreeBusy, StoreUnavailable.
        """
        return await transfer.export_tree(self._node.store, execution_id)

    async def import_(self, lines: Sequence[bytes]) -> transfer.Imported:
        """Take in a tree as `export` gave it, all of it or nothing; what is unfinished arrives paused.

        An equal tree that is here is left as it is. Raises: InvalidExport, IdConflict, StoreUnavailable.
        """
        return await transfer.import_tree(self._node, lines)

    async def hold(self, execution_id: ExecutionId, *, held: bool) -> bool:
        """Keep the tree of an execution from being deleted when it is old, or no longer; False: it was so already.

        Raises: ExecutionNotFound, StoreUnavailable.
        """
        return await self._node.store.hold(top_of(execution_id), held=held)

    async def is_held(self, execution_id: ExecutionId) -> bool:
        """Raises: ExecutionNotFound."""
        return await self._node.store.is_held(top_of(execution_id))

    async def delete(self, tops: Sequence[ExecutionId]) -> Sequence[ExecutionId]:
        """Delete those of these trees that have finished and are not held; which ones it was.

        Raises: StoreUnavailable.
        """
        return await self.retention.delete(tops, Instant(self._node.clock.now() + 1))

    async def prune(self, older_than: int, *, cursor: str | None = None) -> Pruned:
        """Delete the trees that finished so many microseconds ago and are not held, from a part of the store.

        Raises: InvalidName for a cursor not given here, StoreUnavailable.
        """
        return await self.retention.prune(Instant(max(0, self._node.clock.now() - older_than)), cursor)
