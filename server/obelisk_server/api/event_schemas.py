"""JSON Schemas of events of a log, as `render.event` shows them: one for each form of `core.events`."""

from typing import Any, get_args, get_origin

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.names import Ffqn

Json = dict[str, Any]
HIDDEN_FIELDS = frozenset({"seed", "text", "failure_named"})
"""Whoever knows the seed can foretell what a workflow draws; the others are for replays alone."""
RAW_FIELDS = frozenset({"params", "value"})
"""Texts of JSON, which are shown as what they stand for."""
_TIME: Json = {"type": "string", "format": "date-time"}
_PLAIN: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Instant: _TIME,
    Ffqn: {"type": "string"},
    ev.ExecutionKind: {"enum": [kind.name.lower() for kind in ev.ExecutionKind]},
}


def schema(result: Json) -> Json:
    """Of any event; `result` is the schema of how an execution ended."""
    return {
        "description": "An entry of a log: its place, its time, what it is, and the fields that such an event has.",
        "oneOf": [_form(form, name, result) for form, name in ev.EVENT_NAMES.items()],
    }


def _form(form: type[Any], name: str, result: Json) -> Json:
    properties: Json = {"version": {"type": "integer", "minimum": 0}, "at": _TIME, "event": {"const": name}}
    required = list(properties)
    for field in msgspec.structs.fields(form):
        if field.name not in HIDDEN_FIELDS:
            properties[field.name] = _field(form, field.name, field.type, result)
            if field.default is not None:
                required.append(field.name)
    return {"type": "object", "properties": properties, "required": required}


def _field(form: type[Any], name: str, type_: Any, result: Json) -> Json:
    """`None` is left out when it is shown."""
    if type_ == ev.Outcome:
        return result
    if (form, name) == (ev.DelaySubmitted, "asked"):
        return {"description": "Microseconds if `relative`, else a time.", "anyOf": [{"type": "integer"}, _TIME]}
    if name in RAW_FIELDS and form is not ev.SubmissionRefused:
        return {}
    given = [item for item in get_args(type_) if item is not type(None)]
    plain = given[0] if type(None) in get_args(type_) and len(given) == 1 else type_
    if get_origin(plain) is dict:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    return _PLAIN.get(plain) or _PLAIN[getattr(plain, "__supertype__", plain)]
