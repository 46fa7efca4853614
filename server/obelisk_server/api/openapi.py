"""The OpenAPI document, made from the table of operations: https://spec.openapis.org/oas/v3.1.0"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, cast

import msgspec

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType, RecordOf
from obelisk_runtime.core.wiring import ExportedFunction
from obelisk_server.access import Caller
from obelisk_server.api import answers, problems, wire, wit_types
from obelisk_server.api.descriptions import describe, structs_below
from obelisk_server.api.operations import JSON, WIDE, AnyOperation, Call, Context, Operation, Reply
from obelisk_server.endpoints import ENDPOINTS
from obelisk_server.serving import MEDIA_TYPE, ProblemType

Json = dict[str, Any]
_REFERENCE = "#/components/schemas/{name}"
SCHEME = "token"
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of obelisk.toml; not needed while there are none. Each scope includes read, admin all.",
}
_PATH_NAMES = {
    "id": "The id of an execution, or of a delay where an operation takes one.",
    "function": "The full name of a function with its slash as %2F (or as it is), or an end of it that is unique.",
    "name": "The name of a component.",
}


def document(operations: Sequence[AnyOperation]) -> Json:
    """The document for these operations, as JSON values."""
    types = [item for operation in operations for item in (operation.query, operation.body, operation.answer)]
    schemas, components = msgspec.json.schema_components([*types, answers.Problem], ref_template=_REFERENCE)
    describe(components, structs_below(wire.Request, answers.Answer))
    found = {id(type_): schema for type_, schema in zip(types, schemas, strict=False)}
    paths: Json = {}
    for operation in operations:
        endpoint = operation.endpoint
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _Described(operation, found, components).item()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Obelisk",
            "version": version("obelisk-wasm"),
            "description": "Durable workflows of WebAssembly components. Errors are problem details (RFC 9457).",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {SCHEME: _BEARER}},
    }


class Document:
    """The text of the document: of the operations, and of one more for each function that is deployed now."""

    def __init__(
        self, operations: Sequence[AnyOperation], functions: Callable[[], Mapping[Ffqn, ExportedFunction]]
    ) -> None:
        self._operations = operations
        self._generic: Json = {}
        self._functions = functions
        self._described: Mapping[Ffqn, ExportedFunction] | None = None
        self._text = b""

    def __call__(self, caller: Caller) -> bytes:
        functions = self._functions()
        if caller.limited:
            return self._written(caller.permitted(functions))
        if functions is not self._described:
            self._text = self._written(functions)
            self._described = functions
        return self._text

    def _written(self, functions: Mapping[Ffqn, ExportedFunction]) -> bytes:
        generic = self._generic = self._generic or document(self._operations)
        paths = {**generic["paths"], **typed_operations(generic["paths"], functions)}
        return msgspec.json.encode({**generic, "paths": paths})


def typed_operations(paths: Json, functions: Mapping[Ffqn, ExportedFunction]) -> Json:
    """`submit-function` once more for each function, at a path of its own, typed from its WIT."""
    endpoint = ENDPOINTS["submit-function"]
    generic = paths[endpoint.path]["post"]
    found: Json = {}
    ids: Counter[str] = Counter()
    for name, function in sorted(functions.items()):
        id_ = re.sub(r"\W+", "_", f"submit_{name.text}")
        ids[id_] += 1
        responses = {status: _typed_answer(answer, function.type) for status, answer in generic["responses"].items()}
        found[endpoint.path.replace(WIDE, name.text)] = {
            "post": {
                **generic,
                "operationId": id_ if ids[id_] == 1 else f"{id_}_{ids[id_]}",
                "summary": f"Run the {function.kind.value} {name}.",
                "description": f"`{function.type}`",
                "parameters": [],
                "requestBody": {"required": True, "content": {JSON: {"schema": _typed_body(function.type)}}},
                "responses": responses,
            }
        }
    return found


def _typed_body(type_: FunctionType) -> Json:
    """The body of `submit-function`, with the parameters of the function by name."""
    params = wit_types.schema(RecordOf(type_.params))
    generic = {"$ref": _REFERENCE.format(name=wire.SubmitFunction.__name__)}
    properties = {"params": {"anyOf": [params, wit_types.array(tuple(item for _, item in type_.params))]}}
    return {"allOf": [generic, {"properties": properties, "required": ["params"] if params["required"] else []}]}


def _typed_answer(answer: Json, type_: FunctionType) -> Json:
    """What was submitted, with the result of the function."""
    if JSON not in answer["content"] or type_.result is None:
        return answer
    failure: Json = {"properties": {"failure": {}}, "required": ["failure"]}
    result: Json = {"anyOf": [wit_types.schema(type_.result), failure]}
    schema: Json = {"allOf": [answer["content"][JSON]["schema"], {"properties": {"result": result}}]}
    return {**answer, "content": {JSON: {"schema": schema}}}


class _Described:
    """One operation as OpenAPI has it."""

    def __init__(self, operation: AnyOperation, schemas: dict[int, Json], components: Json) -> None:
        self._operation = operation
        self._schemas = schemas
        self._components = components

    def item(self) -> Json:
        operation, endpoint = self._operation, self._operation.endpoint
        item: Json = {
            "operationId": operation.name,
            "summary": operation.summary,
            "security": [] if endpoint.scope is None else [{SCHEME: [endpoint.scope.value]}],
            "x-obelisk-scope": "anybody" if endpoint.scope is None else endpoint.scope.value,
            "x-obelisk-repeat": endpoint.repeat.value,
            "parameters": [*self._path(), *self._query(), *self._headers()],
            "responses": {**self._answers(), **refusals(operation)},
        }
        if endpoint.method == "POST":
            required = not issubclass(operation.body, wire.Nothing)
            content = {JSON: {"schema": self._schemas[id(operation.body)]}}
            item["requestBody"] = {"required": required, "content": content}
        return item

    def _path(self) -> Iterator[Json]:
        for name in re.findall(r"{(\w+)}", self._operation.endpoint.path):
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "description": _PATH_NAMES[name],
                "schema": {"type": "string"},
            }

    def _query(self) -> Iterator[Json]:
        reference = self._schemas[id(self._operation.query)]["$ref"]
        struct = self._components[reference.rpartition("/")[2]]
        for name, schema in struct["properties"].items():
            kept = {key: part for key, part in schema.items() if key != "description"}
            parameter: Json = {"name": name, "in": "query", "required": name in struct["required"]}
            yield {**parameter, "description": schema.get("description", ""), "schema": _given(kept)}

    def _headers(self) -> Iterator[Json]:
        for name in self._operation.headers:
            yield {"name": name, "in": "header", "required": False, "schema": {"type": "string"}}

    def _answers(self) -> Json:
        operation = self._operation
        content = {operation.media_type: {"schema": self._schemas[id(operation.answer)]}}
        found: Json = {
            str(status): {"description": operation.summary, "content": content} for status in operation.statuses
        }
        if "204" in found:
            found["204"] = {"description": "There is nothing more, and there will not be."}
        return found


def _given(schema: Json) -> Json:
    """Of a query's field once it is there: what null would mean is said by leaving it out."""
    given = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    return given[0] if len(given) == 1 else schema


def refusals(operation: AnyOperation) -> Json:
    """Its answers that are problems: one for each status, naming the types."""
    by_status: dict[int, list[ProblemType]] = {}
    for problem in problems.problem_types(operation):
        by_status.setdefault(problem.status, []).append(problem)
    content = {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(name=answers.Problem.__name__)}}}
    return {
        str(status): {"description": "; ".join(f"{found.title} (`{found.uri}`)" for found in types), "content": content}
        for status, types in sorted(by_status.items())
    }


async def openapi(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """This document."""
    return Reply(200, context.document(call.caller))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("openapi", openapi, wire.Nothing, wire.Nothing, cast("Any", answers.Json), minds_functions=True),
)
