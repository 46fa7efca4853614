"""What operations answer, as it is typed on the wire; their JSON Schemas are in the OpenAPI document."""

from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from obelisk_runtime.core import events as ev
from obelisk_server.api import event_schemas

Item = TypeVar("Item")

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Json = dict[str, Any]
FAILURE_KINDS = [kind.label for kind in ev.FailureKind]
RESULTS = ("ok", "err", *FAILURE_KINDS)
STATUSES = ("pending", "locked", "blocked", "finished")
LIFECYCLES = ("active", "paused", "cancelling")
_FAILURE = {
    "type": "object",
    "properties": {
        "kind": {"enum": FAILURE_KINDS},
        "reason": {"type": "string"},
        "backtrace": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["kind", "reason"],
}
_RESULT = {
    "description": "How an execution ended: what its function returned, or a failure.",
    "oneOf": [
        {"type": "object", "properties": {name: schema}, "required": [name]}
        for name, schema in (("ok", {}), ("err", {}), ("failure", _FAILURE))
    ],
}
Result = Annotated[msgspec.Raw, Meta(extra_json_schema=_RESULT)]
Status = Annotated[str, Meta(extra_json_schema={"enum": [*STATUSES]})]
EventJson = Annotated[Json, Meta(extra_json_schema=event_schemas.schema(_RESULT))]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The base of answers: fields that are UNSET are left out."""


class Page(Answer, Generic[Item], frozen=True, kw_only=True):
    items: list[Item]
    next_cursor: str | None
    """Where to go on; None at the end. A page may be shorter than asked for, and others follow all the same."""


class TailPage(Answer, Generic[Item], frozen=True, kw_only=True):
    items: list[Item]
    next_cursor: int
    """Where to go on, now or later."""
    complete: bool
    """The execution has finished and nothing can follow."""


class EventPage(Answer, frozen=True, kw_only=True):
    items: list[EventJson]
    total: int
    """How many events the log has now."""
    next_cursor: int
    """Where to go on, now or later."""
    previous_before: int | None
    """What to give as `before` for what comes before this page; None at the beginning."""
    complete: bool
    """The execution has finished and nothing can follow."""


class Summary(Answer, frozen=True, kw_only=True):
    """An execution as in a list."""

    id: str
    function: str
    kind: Annotated[str, Meta(extra_json_schema={"enum": ["activity", "workflow", "stub", "webhook"]})]
    status: Status
    lifecycle: Annotated[str, Meta(extra_json_schema={"enum": [*LIFECYCLES]})]
    created_at: Instant
    parent: str | None
    attempts: int
    """How often it was locked."""
    events: int
    """How many its log has."""
    responses: int
    due: Instant | UnsetType = UNSET
    """Of what is pending."""
    executor: str | UnsetType | None = UNSET
    """Of what is locked or blocked: who holds it."""
    join_set: str | UnsetType | None = UNSET
    """Of what is blocked: on what; null: on all its children, to end."""
    remaining: int | UnsetType = UNSET
    """Of what is blocked: on how many responses."""
    outcome: Annotated[str, Meta(extra_json_schema={"enum": [*RESULTS]})] | UnsetType = UNSET
    """Of what is finished."""
    finished_at: Instant | UnsetType = UNSET


class Execution(Summary, frozen=True, kw_only=True):
    params: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "array"})]
    tags: dict[str, str]
    digest: str | None
    """The component a workflow is pinned to."""
    failures: int
    """Attempts that failed or timed out; of them:"""
    traps: int
    timeouts: int
    losses: int
    """Attempts that were lost with their executor."""
    deadline: Instant | UnsetType = UNSET
    result: Result | UnsetType = UNSET
    """Of what is finished."""


class Submitted(Answer, frozen=True, kw_only=True):
    id: str
    existed: bool
    """The same id with the same content had been submitted before."""
    status: Status | UnsetType = UNSET
    """Only of a submit that waited."""
    result: Result | UnsetType = UNSET
    """Once it has finished, of a submit that waited."""


class Batch(Answer, frozen=True, kw_only=True):
    items: list[Submitted]
    """In the order they were given."""


class ResultOrStatus(Answer, frozen=True, kw_only=True):
    id: str
    status: Status
    result: Result | UnsetType = UNSET


class Steered(Answer, frozen=True, kw_only=True):
    id: str
    outcome: str


class WhyAnswer(Answer, frozen=True, kw_only=True):
    because: str
    text: str
    until: Instant | None
    """When that changes by itself."""
    waits_for: list[str]


class ResponseItem(Answer, frozen=True, kw_only=True):
    """What a child or a delay answered."""

    position: int
    at: Instant
    id: str
    response: Annotated[str, Meta(extra_json_schema={"enum": ["child-finished", "delay-due", "delay-cancelled"]})]
    outcome: Result | UnsetType = UNSET
    """Of a child."""


class LogLine(Answer, frozen=True, kw_only=True):
    """A line that a guest wrote."""

    cursor: int
    id: str
    """The execution."""
    at: Instant
    level: str
    source: str
    """`log`, `stdout` or `stderr`; `host`: something was cut."""
    run: int
    """The attempt of an activity; how far a workflow had come in its history."""
    message: str


class RequestMade(Answer, frozen=True, kw_only=True):
    """An HTTP request of an attempt, after its end. No secret is in it."""

    cursor: int
    at: Instant
    run: int
    """The attempt."""
    method: str
    url: str
    status: int | None
    """None: no response came."""
    error: str | None
    """A case of `error-code` of wasi:http, or `cancelled`; None: it came to its end."""
    detail: str
    request_bytes: int
    response_bytes: int
    """Of the bodies."""
    head_after: float | None
    """Seconds until the head of the response was there; None: it never was."""
    duration: float
    """Seconds until its end."""
    more: bool
    """It is the last of its attempt that is recorded, and others may have followed."""


class Problem(Answer, frozen=True, kw_only=True):
    """RFC 9457 problem details; some types have more members."""

    type: str
    title: str
    status: int
    detail: str


class Health(Answer, frozen=True, kw_only=True):
    status: str
