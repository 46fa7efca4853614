"""What is done with whole trees of executions: fork, export, import, hold, prune."""

from obelisk_runtime.core.ids import Digest, ExecutionId
from obelisk_runtime.service import forking
from obelisk_runtime.service.node import Node


class Trees:
    """A part of the service."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def fork(self, origin: ExecutionId, version: int, component: Digest | bytes | None = None) -> ExecutionId:
        """A new execution that reuses the history of a workflow before this version, and goes on from there.

        `component`: another one to run on, by the digest of one that the store has or as bytes; None: the original's.
        Raises: ExecutionNotFound, NotAWorkflow, CannotFork, BytesMissing, BrokenBytes, StoreUnavailable.
        """
        return await forking.fork_execution(self._node, origin, version, component)
