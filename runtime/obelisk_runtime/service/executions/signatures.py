"""Whether a child still is what its caller was compiled against."""

from obelisk_runtime.core.ids import ExecutionId, parent_of
from obelisk_runtime.service.components.deployed import BrokenBytes, BytesMissing, Target
from obelisk_runtime.service.process.node import Node


async def mismatch_with_parent(node: Node, child: ExecutionId, target: Target) -> str | None:
    """Why a child that its parent submitted earlier must not run on what is deployed now; None if it may."""
    parent = parent_of(child)
    assert parent is not None
    projection = await node.insist(lambda: node.store.get(parent))
    digest = projection.digest
    if digest is None:
        return None
    pinned = node.deployment.pinned
    try:
        caller = await node.insist(lambda: pinned(digest, projection.function))
    except (BytesMissing, BrokenBytes):
        return None  # the parent is paused with that reason; nobody can tell what it expects
    return node.deployment.mismatch(caller, target)
