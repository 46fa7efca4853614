"""Operations on versions of code: upgrade, reload."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.ids import parse_execution_id
from obelisk_runtime.ports.store import StoreUnavailable
from obelisk_runtime.service import (
    ComponentNotFound,
    NotAWorkflow,
    NotDeployed,
    Upgrade,
    UpgradeResult,
)
from obelisk_server.api import answers, wire
from obelisk_server.api.catalogue import named_component, visible_components
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.problems import EXECUTION
from obelisk_server.api.refusals import NotReady
from obelisk_server.api.replays import difference_json
from obelisk_server.setup import InvalidSetup

UPGRADES_MAX = 100


class UpgradeComponent(wire.Request, frozen=True):
    cursor: wire.Text | None = None
    limit: Annotated[int, Meta(ge=1, le=UPGRADES_MAX)] = 10


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
