"""Bodies and query strings of requests, as they are typed on the wire. What is answered: `api.answers`."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from obelisk_runtime.ports.store import PAGE_MAX, LogLevel
from obelisk_runtime.service import BATCH_MAX

BULK_LIMIT_MAX = 500
TAGS_MAX = 32
TAG_CHARACTERS_MAX = 256
NAME_CHARACTERS_MAX = 1024

Tag = Annotated[str, Meta(min_length=1, max_length=TAG_CHARACTERS_MAX)]
TagValue = Annotated[str, Meta(max_length=TAG_CHARACTERS_MAX)]
Text = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
Digest = Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
Params = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "array"})]
Position = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""What the store can count."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown fields are refused: a misspelt one must not be passed over."""

    def noted(self) -> Mapping[str, Any]:
        """What of it the audit log says: never parameters, results or code."""
        return {}


class Nothing(Request, frozen=True):
    """No query, or an empty body."""


class Ordered(Request, frozen=True, kw_only=True):
    """Under which terms an execution is submitted."""

    id: Text | None = None
    tags: Annotated[dict[Tag, TagValue], Meta(max_length=TAGS_MAX)] | None = None
    due: Text | None = None
    """When it may begin: an RFC 3339 time, or a duration from now."""
    deadline: Text | None = None
    """When it is ended if it has not ended by then, with its children: as `due`."""
    paused: bool = False
    """It waits until it is resumed."""


class BatchItem(Ordered, frozen=True, kw_only=True):
    function: Text
    """A full name, or an end of it that only one function has."""
    params: Params | UnsetType = UNSET
    """A JSON array with one value for each parameter."""


class Batch(Request, frozen=True):
    items: Annotated[list[BatchItem], Meta(min_length=1, max_length=BATCH_MAX)]


class SubmitFunction(Ordered, frozen=True, kw_only=True):
    params: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": ["object", "array"]})] | UnsetType = UNSET
    """By name, or an array in order."""
    wait: float | Text | None = None
    """Answer when the execution has finished, or after this long: seconds, or a duration such as "10s"."""


class Submit(BatchItem, frozen=True, kw_only=True):
    wait: float | Text | None = None
    """Answer when the execution has finished, or after this long: seconds, or a duration such as "10s"."""


class Control(Nothing, frozen=True):
    reason: Text | None = None
    """For the event log."""


class Stub(Request, frozen=True):
    result: msgspec.Raw
    """`{"ok": v}` or `{"err": e}`."""


class Filter(Request, frozen=True):
    """Which executions: every given condition must hold."""

    function: Text | None = None
    """How the function's full name begins, or an end of it that only one deployed function has."""
    status: list[str] = []
    result: list[str] = []
    id: Text | None = None
    """How the id begins."""
    parent: Text | None = None
    tag: list[Text] = []
    """`key=value`, each must match."""
    digest: Digest | None = None
    """Workflows that are pinned to this component."""
    created_since: Text | None = None
    """Created then or later: an RFC 3339 time, or a duration, for so long ago."""
    created_before: Text | None = None
    """Created earlier than that: likewise."""
    finished_since: Text | None = None
    """Ended then or later: likewise."""
    finished_before: Text | None = None
    """Ended earlier than that: likewise."""
    text: Text | None = None
    """In the JSON of the parameters or of the result, or in the reason of a failure."""
    children: bool = False
    """Children too, not only what clients submitted."""


class Bulk(Request, frozen=True):
    """One call for many executions."""

    filter: Filter
    dry_run: bool = False
    """Only say how many and which ones they are, and give the token that the real call needs."""
    token: Text | None = None
    """Of a dry run with the same filter. What was created since is left alone."""
    cursor: Text | None = None
    """Go on where an earlier call with this token ended."""
    limit: Annotated[int, Meta(ge=1, le=BULK_LIMIT_MAX)] = 100
    """How many are done in this call."""
    reason: Text | None = None
    """For the event logs."""

    def noted(self) -> Mapping[str, Any]:
        found = {name: value for name, value in msgspec.to_builtins(self.filter).items() if value}
        return {"filter": found, "dry_run": True} if self.dry_run else {"filter": found}


class List(Filter, frozen=True):
    oldest_first: bool = False
    cursor: Text | None = None
    limit: Limit = 50


class Counted(Request, frozen=True):
    children: bool = False
    """Children too, not only what clients submitted."""


class Children(Request, frozen=True):
    tree: bool = False
    """Their children too, and so on."""
    cursor: Text | None = None
    limit: Limit = 200


class Events(Request, frozen=True):
    """A part of a log: the versions from `cursor` on, or the last ones before `before`, or those between."""

    cursor: Position | None = None
    before: Position | None = None
    limit: Limit = 200
    wait: Text | None = None
    """If nothing is there yet, answer when there is, or after this long."""


class Tail(Request, frozen=True):
    """A part of a list that only grows."""

    cursor: Position = 0
    limit: Limit = 200
    wait: Text | None = None
    """If nothing is there yet, answer when there is, or after this long."""


class Logs(Tail, frozen=True):
    level: LogLevel | None = None
    """Only records of this level and of those above it."""
    tree: bool = False
    """Also of everything below the execution."""


class Wait(Request, frozen=True):
    wait: Text | None = None
