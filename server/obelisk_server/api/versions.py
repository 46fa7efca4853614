"""Operations on versions of code: replay, upgrade, reload."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.ids import ExecutionId, parse_execution_id
from obelisk_runtime.ports.store import StoreUnavailable
from obelisk_runtime.service import (
    ComponentNotFound,
    Differs,
    Matches,
    NotAWorkflow,
    NotDeployed,
    Replayed,
    TooManyReplays,
    Unfit,
    Upgrade,
    UpgradeResult,
)
from obelisk_server.api import answers, wire
from obelisk_server.api.catalogue import named_component, visible_components
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.problems import COMPONENT, EXECUTION
from obelisk_server.api.refusals import NotReady
from obelisk_server.setup import InvalidSetup

COMPONENT_BYTES_MAX = 64 * 1024 * 1024
"""Of a component sent with a request."""
BODY_BYTES_MAX = COMPONENT_BYTES_MAX // 3 * 4 + 64 * 1024
UPGRADES_MAX = 100


class Replay(wire.Request, frozen=True):
    component: bytes | None = None
    """Another component than its own; base64 on the wire."""


class UpgradeComponent(wire.Request, frozen=True):
    cursor: wire.Text | None = None
    limit: Annotated[int, Meta(ge=1, le=UPGRADES_MAX)] = 10


class ReplayAnswer(answers.Answer, frozen=True, kw_only=True):
    id: str
    matches: bool
    digest: str
    entries: int | UnsetType = UNSET
    difference: answers.Json | UnsetType = UNSET


class UpgradeAnswer(answers.Answer, frozen=True, kw_only=True):
    id: str
    outcome: str
    digest: str | None
    difference: answers.Json | UnsetType = UNSET


class ReloadAnswer(answers.Answer, frozen=True, kw_only=True):
    components: int
    functions: int
    changed: list[str]
    restart_needed: list[str]


async def replay(context: Context, call: Call[wire.Nothing, Replay]) -> Reply:
    """Run the history of a workflow against its component, or another one, and compare; nothing is written."""
    execution_id = parse_execution_id(call.path["id"])
    replayed = await context.service.replay(execution_id, call.body.component)
    return Reply(200, _replayed(execution_id, replayed))


def _replayed(execution_id: ExecutionId, replayed: Replayed) -> ReplayAnswer:
    match replayed:
        case Matches(digest, entries):
            return ReplayAnswer(id=execution_id, matches=True, digest=digest, entries=entries)
        case Differs() | Unfit():
            difference = difference_json(replayed)
            return ReplayAnswer(id=execution_id, matches=False, digest=replayed.digest, difference=difference)


def difference_json(difference: Differs | Unfit) -> answers.Json:
    """Why a component does not repeat a history."""
    if isinstance(difference, Unfit):
        return {"reason": difference.reason}
    return {
        "version": difference.version,
        "recorded": difference.recorded,
        "asked": difference.asked,
        "position": difference.position,
    }


async def upgrade(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Move a workflow to the component that is deployed now, if its history replays on that."""
    return Reply(200, _upgraded(await context.service.upgrade(parse_execution_id(call.path["id"]))))


async def upgrade_component(context: Context, call: Call[wire.Nothing, UpgradeComponent]) -> Reply:
    """Move the unfinished executions of a component to what is deployed now, page by page."""
    body = call.body
    name = call.path["name"]
    named_component(visible_components(context, call.caller), name)
    page = await context.service.upgrade_component(name, cursor=body.cursor, limit=body.limit)
    items = [_upgraded(item) for item in page.items]
    return Reply(
        200,
        answers.Page(items=items, next_cursor=page.next_cursor),
        executions=[item.id for item in page.items if item.result is UpgradeResult.UPGRADED],
    )


def _upgraded(upgrade: Upgrade) -> UpgradeAnswer:
    difference = UNSET if upgrade.difference is None else difference_json(upgrade.difference)
    return UpgradeAnswer(id=upgrade.id, outcome=upgrade.result.value, digest=upgrade.digest, difference=difference)


async def reload(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Take obelisk.toml again, with new components and settings; if anything is wrong, nothing changes."""
    if context.reload is None:
        raise NotReady("this server was not started from an obelisk.toml")
    reloaded = await context.reload()
    changed, restart_needed = list(reloaded.changed), list(reloaded.restart_needed)
    return Reply(
        200,
        ReloadAnswer(
            components=reloaded.components,
            functions=reloaded.functions,
            changed=changed,
            restart_needed=restart_needed,
        ),
    )


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        "replay",
        replay,
        wire.Nothing,
        Replay,
        ReplayAnswer,
        (*EXECUTION, *COMPONENT, NotAWorkflow, TooManyReplays),
        body_bytes_max=BODY_BYTES_MAX,
    ),
    Operation("upgrade", upgrade, wire.Nothing, wire.Nothing, UpgradeAnswer, (*EXECUTION, NotAWorkflow, NotDeployed)),
    Operation(
        "upgrade-component",
        upgrade_component,
        wire.Nothing,
        UpgradeComponent,
        answers.Page[UpgradeAnswer],
        (ComponentNotFound, InvalidName, StoreUnavailable),
        minds_functions=True,
    ),
    Operation("reload", reload, wire.Nothing, wire.Nothing, ReloadAnswer, (NotReady, InvalidSetup, StoreUnavailable)),
)
