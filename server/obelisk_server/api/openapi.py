"""The OpenAPI document, made from the table of operations: https://spec.openapis.org/oas/v3.1.0"""

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, cast

import msgspec

from obelisk_server.api import answers, problems, wire
from obelisk_server.api.operations import JSON, AnyOperation, Call, Context, Operation, Reply
from obelisk_server.serving import MEDIA_TYPE, ProblemType

Json = dict[str, Any]
_REFERENCE = "#/components/schemas/{name}"
_PATH_NAMES = {
    "id": "The id of an execution, or of a delay where an operation takes one.",
    "function": "The full name of a function with its slash as %2F (or as it is), or an end of it that is unique.",
    "name": "The name of a component.",
}


def document(operations: Sequence[AnyOperation]) -> Json:
    """The document for these operations, as JSON values."""
    types = [item for operation in operations for item in (operation.query, operation.body, operation.answer)]
    schemas, components = msgspec.json.schema_components([*types, answers.Problem], ref_template=_REFERENCE)
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
        "components": {"schemas": components},
    }


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
            "x-obelisk-scope": endpoint.scope.value,
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
            yield {"name": name, "in": "query", "required": name in struct["required"], "schema": _given(schema)}

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


async def openapi(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """This document."""
    return Reply(200, context.document())


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("openapi", openapi, wire.Nothing, wire.Nothing, cast("Any", answers.Json)),
)
