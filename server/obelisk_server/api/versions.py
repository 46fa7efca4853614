"""Operations on versions of code: replay, upgrade, reload."""

from dataclasses import asdict
from typing import Annotated

from msgspec import Meta

from obelisk_runtime.core.ids import parse_execution_id
from obelisk_runtime.service import Differs, Matches, Replayed, Unfit, Upgrade
from obelisk_server.api import wire
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.refusals import NotReady
from obelisk_server.api.render import Json

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


async def replay(context: Context, call: Call[wire.Nothing, Replay]) -> Reply:
    """Run the history of a workflow against its component, or another one, and compare; nothing is written."""
    execution_id = parse_execution_id(call.path["id"])
    replayed = await context.service.replay(execution_id, call.body.component)
    return Reply(200, {"id": execution_id, **_replayed(replayed)})


def _replayed(replayed: Replayed) -> Json:
    match replayed:
        case Matches(digest, entries):
            return {"matches": True, "digest": digest, "entries": entries}
        case Differs() | Unfit():
            return {"matches": False, "digest": replayed.digest, "difference": _difference(replayed)}


def _difference(difference: Differs | Unfit) -> Json:
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
    page = await context.service.upgrade_component(call.path["name"], cursor=body.cursor, limit=body.limit)
    return Reply(200, wire.Page(items=[_upgraded(item) for item in page.items], next_cursor=page.next_cursor))


def _upgraded(upgrade: Upgrade) -> Json:
    item: Json = {"id": upgrade.id, "outcome": upgrade.result.value, "digest": upgrade.digest}
    return item if upgrade.difference is None else {**item, "difference": _difference(upgrade.difference)}


async def reload(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Take obelisk.toml again, with new components and settings; if anything is wrong, nothing changes."""
    if context.reload is None:
        raise NotReady("this server was not started from an obelisk.toml")
    return Reply(200, asdict(await context.reload()))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("replay", "POST", "/v1/executions/{id}/replay", replay, wire.Nothing, Replay, BODY_BYTES_MAX),
    Operation("upgrade", "POST", "/v1/executions/{id}/upgrade", upgrade, wire.Nothing, wire.Nothing),
    Operation(
        "upgrade-component",
        "POST",
        "/v1/components/{name}/upgrade",
        upgrade_component,
        wire.Nothing,
        UpgradeComponent,
    ),
    Operation("reload", "POST", "/v1/server/reload", reload, wire.Nothing, wire.Nothing),
)
