"""Forking: a new execution that goes on from a version of another one's history."""

from collections.abc import Sequence

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.forking import CannotFork, Fork, ForkAt, afresh, fork
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import Digest, ExecutionId
from obelisk_runtime.ports.store import Grafted, GraftedDelay
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.replay.rehearsing import Unfit, codec_of
from obelisk_runtime.service.replay.story import Story, read_story


async def fork_execution(
    node: Node, origin: ExecutionId, version: int, component: "Digest | bytes | None"
) -> ExecutionId:
    """The original is left alone; the fork is durable, with what it has open, when this returns.

    Raises: ExecutionNotFound, NotAWorkflow, CannotFork, BytesMissing, BrokenBytes, StoreUnavailable.
    """
    story = await read_story(node.store, origin)
    digest = None if component is None else await _keep(node, component, story)
    now = node.clock.now()
    forked = fork(origin, story.log, story.responses, ForkAt(node.ids.execution_id(now), version, digest, now))
    own = Grafted(
        id=forked.id,
        log=forked.log,
        responses=forked.responses,
        projection=fold(forked.id, forked.log, forked.responses),
        delays=[GraftedDelay(id_, wakes) for id_, wakes in forked.delays],
    )
    await node.store.graft([own, *await _children(node, forked)])
    node.scheduler.wake()
    for delay in own.delays:
        node.scheduler.due_at(delay.wakes)
    return forked.id


async def _keep(node: Node, component: Digest | bytes, story: Story) -> Digest:
    """The digest of a component that can run the fork and is in the store."""
    function = story.projection.function
    if isinstance(component, bytes):
        found = await node.deployment.load(component, function)
        _check(found, story)
        await node.store.put_component(found.digest, component)
    else:
        found = await node.deployment.pinned(component, function)
        _check(found, story)
    return found.digest


def _check(component: DeployedComponent, story: Story) -> None:
    codec = codec_of(story, component)
    if isinstance(codec, Unfit):
        exported = ", ".join(sorted(name.text for name in component.exports)) or "nothing"
        raise CannotFork(f"it cannot go on with {component.digest}: {codec}; that component exports {exported}")


async def _children(node: Node, forked: Fork) -> Sequence[Grafted]:
    """Those that the fork waits for again, as they were created."""
    at = forked.log[-1].at
    children: list[Grafted] = []
    for id_, twin in forked.children:
        (first,) = await node.store.log(twin, limit=1)
        assert isinstance(first.event, ev.Created)
        target = node.deployment.targets.get(first.event.function)
        deployed = None if target is None or target.code is None else target.code.digest
        created = afresh(first, at, deployed)
        children.append(Grafted(id_, [ev.Recorded(0, at, created)], (), proj.begin(created, at)))
    return children
