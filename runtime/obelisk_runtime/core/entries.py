"""Entries of a log: as calls without their answers, in words, and at other places."""

from collections.abc import Iterable

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, Instant


def unanswered(event: ev.Event) -> ev.Event:
    """The entry without what replay cannot recompute."""
    replace = msgspec.structs.replace
    match event:
        case ev.ChildSubmitted():
            params = event.params if event.text is None else event.text
            return replace(event, params=params, text=None, failure_named=None)
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
    told = (item for item in msgspec.structs.asdict(event).items() if item[0] != "failure_named")
    fields = ", ".join(f"{name}={value}" for name, value in told if value is not None)
    return f"{ev.event_name(event)}({fields})"


def is_control(event: ev.Event) -> bool:
    """Whether what a workflow that is in memory was about to do still holds after it. Upgrades and ends are others."""
    return isinstance(event, ev.Paused | ev.Resumed)


def moved_up(entries: Iterable[ev.Recorded], first: int, places: int) -> list[ev.Recorded]:
    """The entries, those from version `first` on so many places later."""
    return [
        entry if entry.version < first else ev.Recorded(entry.version + places, entry.at, entry.event)
        for entry in entries
    ]
