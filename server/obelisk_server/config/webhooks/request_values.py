"""Where a webhook takes a value from: a part of the request, or obelisk.toml itself.

"path.id"  "path.*"  "query.page"  "header.X-User"  "form.text"  "method"  "body"  "body.items.0.name"
{ from = "query.page", default = 1 }
{ literal = [1, 2] }
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, InstanceOf, WithJsonSchema

EXPECTED = (
    'a part of the request such as "path.id", "query.page", "header.X-User", "form.text", "method", "body" or '
    '"body.items.0.name", or { from = "query.page", default = 1 }, or { literal = 1 }'
)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Part(StrEnum):
    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    FORM = "form"
    METHOD = "method"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Literal:
    value: Any

    def __str__(self) -> str:
        return "its literal"


@dataclass(frozen=True, slots=True)
class FromRequest:
    part: Part
    name: str = ""
    """Empty for the whole body and the method; of a body keys and indexes with dots between."""
    default: Literal | None = None
    """What is taken if the request does not have it."""

    def __str__(self) -> str:
        return f"{self.part}.{self.name}" if self.name else str(self.part)

    @property
    def steps(self) -> tuple[str, ...]:
        """Of a body: the way to the value."""
        return tuple(self.name.split(".")) if self.name else ()


Source = Literal | FromRequest


def parse_source(found: Any) -> Source:
    """Raises: ValueError."""
    match found:
        case Literal() | FromRequest():
            return found
        case str():
            return _from_request(found, None)
        case {"literal": value, **rest} if not rest:
            return _literal(value)
        case {"from": str(text), **rest} if not rest.keys() - {"default"}:
            return _from_request(text, _literal(rest["default"]) if "default" in rest else None)
        case _:
            raise ValueError(f"found {found!r}, expected {EXPECTED}")


def parse_request_part(found: Any) -> FromRequest:
    """A text only. Raises: ValueError."""
    if isinstance(found, FromRequest):
        return found
    if not isinstance(found, str):
        raise ValueError(f'found {found!r}, expected a part of the request such as "header.X-GitHub-Delivery"')  # noqa: TRY004 - pydantic's way
    return _from_request(found, None)


def _from_request(text: str, default: Literal | None) -> FromRequest:
    part, dot, name = text.partition(".")
    if part not in Part.__members__.values() or bool(dot) != bool(name) or not _fits(Part(part), name):
        raise ValueError(f"found {text!r}, expected {EXPECTED}")
    return FromRequest(Part(part), name, default)


def _fits(part: Part, name: str) -> bool:
    match part:
        case Part.METHOD:
            return not name
        case Part.BODY:
            return not name or all(name.split("."))
        case Part.HEADER:
            return _HEADER.fullmatch(name) is not None
        case Part.PATH | Part.QUERY | Part.FORM:
            return bool(name)


def _literal(value: Any) -> Literal:
    if not _is_json(value):
        raise ValueError(f"found the literal {value!r}, expected what JSON has too: no dates and times")
    return Literal(value)


def _is_json(value: Any) -> bool:
    match value:
        case str() | int() | float():
            return True
        case list():
            return all(map(_is_json, cast("list[Any]", value)))
        case dict():
            return all(map(_is_json, cast("dict[str, Any]", value).values()))
        case _:
            return False


_PART_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": r"^(method|body(\..+)?|(path|query|header|form)\..+)$",
}
_SCHEMA: dict[str, Any] = {
    "anyOf": [
        _PART_SCHEMA,
        {
            "type": "object",
            "properties": {"from": _PART_SCHEMA, "default": {}},
            "required": ["from"],
            "additionalProperties": False,
        },
        {"type": "object", "properties": {"literal": {}}, "required": ["literal"], "additionalProperties": False},
    ]
}
AnySource = Annotated[
    InstanceOf[Literal] | InstanceOf[FromRequest], BeforeValidator(parse_source), WithJsonSchema(_SCHEMA)
]
RequestPart = Annotated[InstanceOf[FromRequest], BeforeValidator(parse_request_part), WithJsonSchema(_PART_SCHEMA)]
