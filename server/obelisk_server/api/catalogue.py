"""Operations on what is deployed: functions with their types, components with what they import and export."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from msgspec import Meta

from obelisk_runtime.core import interfaces
from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.short_names import AmbiguousFunction, UnknownFunction, resolve
from obelisk_runtime.core.types import WitType
from obelisk_runtime.core.wiring import ExportedFunction
from obelisk_runtime.ports.store import StoreUnavailable
from obelisk_runtime.service import ComponentNotFound, DeployedComponent
from obelisk_server.access import Caller
from obelisk_server.api import answers, wire, wit_types
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply

TypeTree = Annotated[
    answers.Json,
    Meta(
        extra_json_schema={
            "description": "A WIT type: its `kind` and its parts: `item`, `items`, `fields`, `cases`, `names`, "
            "`ok` and `err`, or `resource`.",
            "properties": {"kind": {"type": "string"}},
            "required": ["kind"],
        }
    ),
]


class TypedValue(answers.Answer, frozen=True, kw_only=True):
    type: TypeTree
    wit: str


class Param(TypedValue, frozen=True, kw_only=True):
    name: str
    """As in WIT."""


class FunctionItem(answers.Answer, frozen=True, kw_only=True):
    function: str
    kind: Annotated[str, Meta(extra_json_schema={"enum": ["activity", "workflow", "stub"]})]
    component: str
    type: str
    """The whole type as WIT text."""
    params: list[Param]
    result: TypedValue | None


class Signature(answers.Answer, frozen=True, kw_only=True):
    function: str
    type: str


class ComponentItem(answers.Answer, frozen=True, kw_only=True):
    name: str
    kind: str
    location: str
    digest: str
    size: int
    exports: list[Signature]
    imports: list[str]


class Neighbour(answers.Answer, frozen=True, kw_only=True):
    """Another component, or the same one, and the functions that are called."""

    component: str
    functions: list[str]


class Version(answers.Answer, frozen=True, kw_only=True):
    """Executions of the functions of a component, by the bytes they are pinned to."""

    digest: str | None
    """null: each attempt takes what is deployed."""
    deployed: bool
    unfinished: int
    finished: int


class ComponentDetails(ComponentItem, frozen=True, kw_only=True):
    wit: str
    """The world of the component as WIT text."""
    calls: list[Neighbour]
    callers: list[Neighbour]
    versions: list[Version]


async def list_functions(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Functions that can be called, with their types."""
    items = [_function(name, item) for name, item in sorted(call.caller.permitted(context.service.functions).items())]
    return Reply(200, answers.Page(items=items, next_cursor=None))


async def get_function(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """One function with the types of its parameters and result."""
    name = named_function(context, call.caller, call.path["function"])
    return Reply(200, _function(name, context.service.functions[name]))


def named_function(context: Context, caller: Caller, name: str) -> Ffqn:
    """The deployed function meant by a full or short name. Others than the caller's are as if they did not exist.

    Raises: UnknownFunction, AmbiguousFunction, BeyondToken for a full name.
    """
    functions = caller.permitted(context.service.functions)
    try:
        exact = Ffqn.parse(name)
    except InvalidName:
        return resolve(name, functions)
    caller.require_function(exact)
    return exact if exact in functions else resolve(name, functions)


def _function(name: Ffqn, item: ExportedFunction) -> FunctionItem:
    params = [Param(name=param, type=wit_types.tree(wit), wit=str(wit)) for param, wit in item.type.params]
    return FunctionItem(
        function=name.text,
        kind=item.kind.value,
        component=item.component,
        type=str(item.type),
        params=params,
        result=_typed(item.type.result),
    )


def _typed(wit: WitType | None) -> TypedValue | None:
    return None if wit is None else TypedValue(type=wit_types.tree(wit), wit=str(wit))


async def list_components(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Components that are deployed, with what they export and import."""
    items = [_component(component) for component in visible_components(context, call.caller)]
    return Reply(200, answers.Page(items=items, next_cursor=None))


def visible_components(context: Context, caller: Caller) -> Sequence[DeployedComponent]:
    """Components all of whose functions the caller may use; one without functions calls those of others."""
    components = context.service.components
    if not caller.limited:
        return components
    return [item for item in components if item.exports and all(map(caller.permits, item.exports))]


def named_component(components: Sequence[DeployedComponent], name: str) -> DeployedComponent:
    """Raises: ComponentNotFound."""
    found = next((item for item in components if item.settings.name == name), None)
    if found is None:
        raise ComponentNotFound(name, [item.settings.name for item in components])
    return found


def _component(component: DeployedComponent) -> ComponentItem:
    return ComponentItem(
        name=component.settings.name,
        kind=component.settings.kind.value,
        location=component.settings.location,
        digest=component.digest,
        size=component.size,
        exports=[Signature(function=name.text, type=str(item)) for name, item in sorted(component.exports.items())],
        imports=[f"{item.interface}.{item.name}: {item.type}" for item in component.compiled.imports],
    )


async def get_component(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """One component: its WIT, what it calls and who calls it."""
    deployed = visible_components(context, call.caller)
    component = named_component(deployed, call.path["name"])
    functions = call.caller.permitted(context.service.functions)
    callers = {
        other.settings.name: [function.text for function in sorted(_called(other)) if function in component.exports]
        for other in deployed
    }
    async with context.lists.turn():
        counts = await context.service.store.versions(list(component.exports))
    versions = [
        Version(
            digest=found.digest,
            deployed=found.digest in (None, component.digest),
            unfinished=found.unfinished,
            finished=found.finished,
        )
        for found in counts
    ]
    item = _component(component)
    return Reply(
        200,
        ComponentDetails(
            **{field: getattr(item, field) for field in item.__struct_fields__},
            wit=component.compiled.wit,
            calls=_neighbours(_owners(component, functions)),
            callers=_neighbours(callers),
            versions=versions,
        ),
    )


def _called(component: DeployedComponent) -> set[Ffqn]:
    """The functions that its imports name, directly or by what the host derives from them."""
    return set(_imported(component))


def _imported(component: DeployedComponent) -> Iterator[Ffqn]:
    for item in component.compiled.imports:
        match interfaces.classify(item.interface, item.name):
            case (
                interfaces.DirectCall(function)
                | interfaces.Submit(function)
                | interfaces.AwaitNext(function)
                | interfaces.Get(function)
                | interfaces.Schedule(function)
                | interfaces.Stub(function)
            ):
                yield function
            case _:
                pass


def _owners(component: DeployedComponent, functions: Mapping[Ffqn, ExportedFunction]) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = {}
    for function in sorted(_called(component) & functions.keys()):
        owners.setdefault(functions[function].component, []).append(function.text)
    return owners


def _neighbours(functions: Mapping[str, list[str]]) -> list[Neighbour]:
    return [Neighbour(component=name, functions=called) for name, called in sorted(functions.items()) if called]


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        "list-functions", list_functions, wire.Nothing, wire.Nothing, answers.Page[FunctionItem], minds_functions=True
    ),
    Operation(
        "get-function",
        get_function,
        wire.Nothing,
        wire.Nothing,
        FunctionItem,
        (UnknownFunction, AmbiguousFunction),
        minds_functions=True,
    ),
    Operation(
        "list-components",
        list_components,
        wire.Nothing,
        wire.Nothing,
        answers.Page[ComponentItem],
        minds_functions=True,
    ),
    Operation(
        "get-component",
        get_component,
        wire.Nothing,
        wire.Nothing,
        ComponentDetails,
        (ComponentNotFound, StoreUnavailable),
        minds_functions=True,
    ),
)
