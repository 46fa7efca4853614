"""Moving workflows to the component that is deployed now, if their history replays on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import InvalidName, ObeliskError
from obelisk_runtime.core.ids import Digest, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import ExecutionFilter, ExecutionNotFound
from obelisk_runtime.service.components.deployed import BrokenBytes, BytesMissing, DeployedComponent
from obelisk_runtime.service.executions.outside import append_outside
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.replay.rehearsing import Differs, Matches, Unfit, rehearse
from obelisk_runtime.service.replay.story import read_story

TRIES_MAX = 5
"""How often a history is replayed that grew meanwhile."""
_BUSY = "it runs on faster than its history is replayed; pause it, upgrade it, resume it"
UNFINISHED = frozenset({"pending", "locked", "blocked"})


class NotDeployed(ObeliskError):
    """There is nothing to upgrade to."""

    def __init__(self, function: Ffqn) -> None:
        super().__init__(f"no deployed workflow exports {function}; deploy one that does")
        self.function = function


class ComponentNotFound(ObeliskError):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no component {name!r} is deployed; deployed are {', '.join(sorted(known)) or 'none'}")
        self.name = name


class UpgradeResult(StrEnum):
    UPGRADED = "upgraded"
    UP_TO_DATE = "up to date"
    STAYS = "stays"
    ALREADY_ENDING = "already ending"
    ALREADY_FINISHED = "already finished"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What became of one execution; `difference` of one that stays on its digest."""

    id: ExecutionId
    result: UpgradeResult
    digest: Digest
    """The one it runs on now."""
    difference: Differs | Unfit | None = None


@dataclass(frozen=True, slots=True)
class UpgradePage:
    items: Sequence[Upgrade]
    next_cursor: str | None


async def upgrade(node: Node, execution_id: ExecutionId) -> Upgrade:
    """Replay against the deployed component; if it asks for the same, go on with that one. Idempotent.

    Raises: ExecutionNotFound, NotAWorkflow, NotDeployed, StoreUnavailable.
    """
    tries = 0
    while True:
        tries += 1
        story = await read_story(node.store, execution_id)
        projection = story.projection
        component = _deployed(node, projection.function)
        done = _nothing_to_do(projection, component.digest)
        assert projection.digest is not None
        if done is not None:
            return Upgrade(execution_id, done, projection.digest)
        if tries > TRIES_MAX:
            return Upgrade(execution_id, UpgradeResult.STAYS, projection.digest, Unfit(component.digest, _BUSY))
        replayed = await rehearse(node, story, component)
        if not isinstance(replayed, Matches):
            return Upgrade(execution_id, UpgradeResult.STAYS, projection.digest, replayed)
        if component is not node.deployment.by_digest.get(component.digest):
            continue  # another one was deployed meanwhile
        if await node.complete(_move(node, execution_id, projection, component.digest)):
            return Upgrade(execution_id, UpgradeResult.UPGRADED, component.digest)


async def _move(node: Node, execution_id: ExecutionId, replayed: proj.Projection, digest: Digest) -> bool:
    """Append `upgraded` to the log that was replayed; False if it grew. Responses may come: they change no history."""
    projection = replayed
    while projection.version == replayed.version:
        if await append_outside(node, execution_id, projection, (ev.Upgraded(digest),)):
            run = node.workflows.get(execution_id)
            if run is not None:
                run.read_again()
            return True
        projection = await node.store.get(execution_id)
    return False


def _deployed(node: Node, function: Ffqn) -> DeployedComponent:
    target = node.deployment.targets.get(function)
    if target is None or target.kind is not ev.ExecutionKind.WORKFLOW:
        raise NotDeployed(function)
    return target.component


def _nothing_to_do(projection: proj.Projection, digest: Digest) -> UpgradeResult | None:
    if isinstance(projection.status, proj.Finished):
        return UpgradeResult.ALREADY_FINISHED
    if projection.deciding or projection.lifecycle.cancelling:
        return UpgradeResult.ALREADY_ENDING
    return UpgradeResult.UP_TO_DATE if projection.digest == digest else None


async def upgrade_component(node: Node, name: str, *, cursor: str | None, limit: int) -> UpgradePage:
    """`upgrade` for unfinished executions of a deployed component, a page of at most `limit`; what is up to date is
    left out. Raises: ComponentNotFound, InvalidName for a cursor not given here, StoreUnavailable.
    """
    component = next((item for item in node.deployment.components if item.settings.name == name), None)
    if component is None:
        raise ComponentNotFound(name, [item.settings.name for item in node.deployment.components])
    functions = sorted(function.text for function in component.exports)
    function, after = _place(cursor, functions)
    where = ExecutionFilter(function_prefix=function, statuses=UNFINISHED, top_level_only=False)
    page = await node.store.list(where, cursor=after, limit=limit)
    items: list[Upgrade] = []
    for found in page.items:
        projection = found.projection
        if projection.function.text != function or projection.kind is not ev.ExecutionKind.WORKFLOW:
            continue
        if projection.digest != component.digest:
            try:
                items.append(await upgrade(node, found.id))
            except ExecutionNotFound:
                continue  # deleted meanwhile
    if page.next_cursor is not None:
        return UpgradePage(items, f"{function} {page.next_cursor}")
    rest = functions[functions.index(function) + 1 :]
    return UpgradePage(items, f"{rest[0]} " if rest else None)


def _place(cursor: str | None, functions: Sequence[str]) -> tuple[str, str | None]:
    if cursor is None:
        return functions[0], None
    function, _, after = cursor.partition(" ")
    if function not in functions:
        raise InvalidName("cursor", cursor, "a `next_cursor` of this upgrade")
    return function, after or None


async def repair(node: Node, execution_id: ExecutionId) -> None:
    """Before a workflow is resumed: if it cannot go on with the component it is pinned to, but can with the one that
    is deployed, move it there. Raises: ExecutionNotFound, StoreUnavailable.
    """
    projection = await node.store.get(execution_id)
    target = node.deployment.targets.get(projection.function)
    if projection.kind is not ev.ExecutionKind.WORKFLOW or target is None or target.code is None:
        return
    if projection.digest is None or _nothing_to_do(projection, target.code.digest) is not None:
        return
    try:
        pinned = await node.deployment.pinned(projection.digest, projection.function)
        goes_on = isinstance(await rehearse(node, await read_story(node.store, execution_id), pinned), Matches)
    except (BytesMissing, BrokenBytes):
        goes_on = False
    if not goes_on:
        await upgrade(node, execution_id)
