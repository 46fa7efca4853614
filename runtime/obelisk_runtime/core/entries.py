"""History entries as calls: without their answers, and in words."""

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, Instant


def unanswered(event: ev.Event) -> ev.Event:
    """The entry without what replay cannot recompute."""
    replace = msgspec.structs.replace
    match event:
        case ev.DelaySubmitted():
            return replace(event, wakes=Instant(0))
        case ev.RandomDrawn():
            return replace(event, value="")
        case ev.TriedNext():
            return replace(event, pending=False)
        case ev.IdGenerated():
            return replace(event, id=ExecutionId(""))
        case ev.Scheduled():
            id_ = ExecutionId("") if event.generated else event.id
            return replace(event, id=id_, due=Instant(0), error="", message="")
        case ev.Stubbed():
            return replace(event, error="", message="")
        case _:
            return event


def describe(event: ev.Event) -> str:
    """A history entry for people: `child-submitted(join_set=g:1, function=…, params=[1])`."""
    fields = ", ".join(f"{name}={value}" for name, value in msgspec.structs.asdict(event).items() if value is not None)
    return f"{ev.event_name(event)}({fields})"
