"""Executions, events, responses and log records in the canonical JSON form."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, assert_never

import msgspec
from msgspec import UNSET, UnsetType

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import ExecutionId, Instant, parent_of
from obelisk_runtime.core.retry import SECOND
from obelisk_runtime.ports.store import LogRecord, RequestRecord
from obelisk_server.api import answers
from obelisk_server.api.event_schemas import HIDDEN_FIELDS, RAW_FIELDS

Json = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = Instant(253_402_300_799_999_999)
"""The last microsecond RFC 3339 can write."""
SECONDS_KEPT = 4_096
_encode = msgspec.json.encode


def instant(at: Instant) -> str:
    """RFC 3339 in UTC with microseconds."""
    seconds, micros = divmod(min(at, _LAST), 1_000_000)
    return f"{_second(seconds)}.{micros:06}Z"


@lru_cache(SECONDS_KEPT)
def _second(seconds: int) -> str:
    """What is shown together often happened together: to look it up takes a tenth of the time."""
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def result(outcome: ev.Outcome) -> msgspec.Raw:
    """`{"ok": v}`, `{"err": v}` or `{"failure": {"kind": k, "reason": r}}`."""
    match outcome:
        case ev.Ok(value):
            return msgspec.Raw(f'{{"ok":{"null" if value is None else value}}}')
        case ev.Err(value):
            return msgspec.Raw(f'{{"err":{"null" if value is None else value}}}')
        case ev.Failed(kind, reason, backtrace):
            failure: Json = {"kind": kind.label, "reason": reason}
            if backtrace:
                failure["backtrace"] = backtrace
            return msgspec.Raw(_encode({"failure": failure}))
        case _:
            assert_never(outcome)


def status_name(status: proj.Status) -> str:
    return type(status).__name__.lower()


def summary(execution_id: ExecutionId, projection: proj.Projection) -> answers.Summary:
    return answers.Summary(**_summary_fields(execution_id, projection))


def _summary_fields(execution_id: ExecutionId, projection: proj.Projection) -> Json:
    return {
        "id": execution_id,
        "function": projection.function.text,
        "kind": projection.kind.name.lower(),
        "status": status_name(projection.status),
        **_status_fields(projection.status),
        "lifecycle": projection.lifecycle.label,
        "created_at": instant(projection.created),
        "parent": parent_of(execution_id),
        "attempts": projection.attempts,
        "events": projection.version,
        "responses": projection.responses,
    }


def _status_fields(status: proj.Status) -> Json:
    match status:
        case proj.Pending(due=due):
            return {"due": instant(due)}
        case proj.Locked(executor=executor):
            return {"executor": executor}
        case proj.Blocked():
            return {"join_set": status.join_set, "remaining": status.remaining, "executor": status.executor}
        case proj.Finished():
            return {"outcome": status.result, "finished_at": instant(status.at)}
        case _:
            assert_never(status)


def execution(
    execution_id: ExecutionId, projection: proj.Projection, created: ev.Created, outcome: ev.Outcome | None
) -> answers.Execution:
    """What the page of one execution shows; `outcome` of a finished one."""
    return answers.Execution(
        **_summary_fields(execution_id, projection),
        params=msgspec.Raw(created.params.encode()),
        tags=created.tags or {},
        digest=projection.digest,
        failures=projection.failures,
        traps=projection.traps,
        timeouts=projection.timeouts,
        losses=projection.losses,
        deadline=UNSET if created.deadline is None else instant(created.deadline),
        result=UNSET if outcome is None else result(outcome),
    )


def event(recorded: ev.Recorded) -> Json:
    """`{"version", "at", "event"}` and the event's own fields; those that are not set are left out."""
    found = recorded.event
    fields: Json = {"version": recorded.version, "at": instant(recorded.at), "event": ev.event_name(found)}
    for name in found.__struct_fields__:
        value = getattr(found, name)
        if value is not None and name not in HIDDEN_FIELDS:
            fields[name] = _FIELDS.get(name, _as_it_is)(value)
    match found:
        case ev.SubmissionRefused(params=params):
            fields["params"] = params
        case ev.DelaySubmitted(asked=asked, relative=False):
            fields["asked"] = instant(Instant(asked))
        case _:
            pass
    return fields


def _as_it_is(value: Any) -> Any:
    return value


def _raw(canonical: str) -> msgspec.Raw:
    return msgspec.Raw(canonical.encode())


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "kind": lambda kind: kind.name.lower(),
    "function": str,
    **dict.fromkeys(RAW_FIELDS, _raw),
    "due": instant,
    "deadline": instant,
    "wakes": instant,
    "outcome": result,
}


def response(found: ev.Response) -> answers.ResponseItem:
    word, outcome = _answer(found.result)
    at = instant(found.at)
    return answers.ResponseItem(position=found.position, at=at, id=found.id, response=word, outcome=outcome)


def _answer(found: ev.ChildFinished | ev.DelayDue | ev.DelayCancelled) -> tuple[str, msgspec.Raw | UnsetType]:
    match found:
        case ev.ChildFinished(outcome):
            return "child-finished", result(outcome)
        case ev.DelayDue():
            return "delay-due", UNSET
        case ev.DelayCancelled():
            return "delay-cancelled", UNSET
        case _:
            assert_never(found)


def log_line(cursor: int, record: LogRecord) -> answers.LogLine:
    return answers.LogLine(
        cursor=cursor,
        id=record.execution_id,
        at=instant(record.at),
        level=record.level.value,
        source=record.source,
        run=record.run,
        message=record.message,
    )


def request_made(cursor: int, record: RequestRecord) -> answers.RequestMade:
    made = record.made
    return answers.RequestMade(
        cursor=cursor,
        at=instant(made.at),
        run=record.run,
        method=made.method,
        url=made.url,
        status=made.status,
        error=made.error,
        detail=made.detail,
        request_bytes=made.sent,
        response_bytes=made.received,
        head_after=None if made.head_after is None else made.head_after / SECOND,
        duration=made.duration / SECOND,
        more=record.more,
    )
