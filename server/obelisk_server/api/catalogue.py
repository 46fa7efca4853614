"""Operations on what is deployed, and on the server itself."""

from obelisk_server.api import wire
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.refusals import NotReady


async def list_functions(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Functions that can be called, with their types."""
    items = [
        {"function": name.text, "kind": item.kind.value, "component": item.component, "type": str(item.type)}
        for name, item in sorted(context.service.functions.items())
    ]
    return Reply(200, wire.Page(items=items, next_cursor=None))


async def list_components(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Components that are deployed, with what they export and import."""
    items = [
        {
            "name": component.settings.name,
            "kind": component.settings.kind.value,
            "location": component.settings.location,
            "digest": component.digest,
            "size": component.size,
            "exports": [{"function": name.text, "type": str(item)} for name, item in sorted(component.exports.items())],
            "imports": [f"{item.interface}.{item.name}: {item.type}" for item in component.compiled.imports],
        }
        for component in context.service.components
    ]
    return Reply(200, wire.Page(items=items, next_cursor=None))


async def health(_: Context, __: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """The process answers."""
    return Reply(200, {"status": "ok"})


async def ready(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Executions are taken and run."""
    if not context.ready:
        raise NotReady("the server is starting or stopping")
    if context.service.store_trouble is not None:
        raise NotReady(context.service.store_trouble)
    return Reply(200, {"status": "ready"})


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("list-functions", "GET", "/v1/functions", list_functions, wire.Nothing, wire.Nothing),
    Operation("list-components", "GET", "/v1/components", list_components, wire.Nothing, wire.Nothing),
    Operation("health", "GET", "/healthz", health, wire.Nothing, wire.Nothing),
    Operation("ready", "GET", "/readyz", ready, wire.Nothing, wire.Nothing),
)
