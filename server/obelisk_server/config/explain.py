"""From what pydantic refused to messages for the person who wrote the file."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from obelisk_server.config.models import (
    COMPONENT_WEBHOOK,
    FUNCTION_WEBHOOK,
    ComponentWebhookTable,
    ObeliskToml,
    WorldlyTable,
)
from obelisk_server.config.toml_lines import KeyPath
from obelisk_server.config.webhooks.tables import FunctionWebhookTable

_FORMS: Mapping[str | int, type[BaseModel]] = {
    FUNCTION_WEBHOOK: FunctionWebhookTable,
    COMPONENT_WEBHOOK: ComponentWebhookTable,
}
_SHOWN_CHARACTERS = 60
_EXPECTED = {
    "string_type": "text in quotes",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table",
    "tuple_type": "an array",
    "enum": "{expected}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "string_too_short": "a text that is not empty",
    "string_pattern_mismatch": "a letter, then at most 63 letters, digits, '-' or '_'",
}


def explain(error: ErrorDetails) -> str:
    """One sentence: what was found and what was expected."""
    path, kind = error["loc"], error["type"]
    match kind:
        case "extra_forbidden":
            return _unknown_key(path)
        case "missing":
            return f"{path[-1]!r} is required here and was not given"
        case "value_error":
            return str(error.get("ctx", {})["error"])
        case _ if kind in _EXPECTED:
            return f"found {_shown(error['input'])}, expected {_EXPECTED[kind].format_map(error.get('ctx', {}))}"
        case _:
            return f"found {_shown(error['input'])}: {error['msg']}"


def _unknown_key(path: KeyPath) -> str:
    if path[0] == "workflow" and path[-1] in WorldlyTable.model_fields:
        return f"a workflow has no {path[-1]!r}: each replay must see the same; give it parameters, or call an activity"
    known = _known_keys(path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known keys here are {', '.join(known)}"
    return f"unknown key {path[-1]!r}; {hint}"


def _known_keys(path: KeyPath) -> list[str]:
    table: type[BaseModel] = ObeliskToml
    for part in path:
        if part in _FORMS:
            table = _FORMS[part]
        elif isinstance(part, str) and part in table.model_fields:  # else the key of a table with any keys
            table = next(_tables_in(table.model_fields[part].annotation), table)
    return list(table.model_fields)


def _tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The tables a key holds: itself, or an array of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from _tables_in(inner)


def place(path: KeyPath) -> KeyPath:
    """Where in the file it is: without what pydantic adds."""
    return tuple(part for part in path if part not in _FORMS)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
