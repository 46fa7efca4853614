"""What an execution did from its creation on, from its log: as the pages draw it (`timeline.ts`)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from obelisk_server.cli.client import Json


class Doing(StrEnum):
    LATER = "not due yet"
    QUEUED = "queued"
    RUNNING = "running"
    BACKOFF = "back-off"
    PARKED = "out of memory"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Phase:
    doing: Doing
    begin: float
    """Seconds since the epoch."""
    end: float


def seconds_of(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


def phases_of(events: Iterable[Json], now: float) -> list[Phase]:
    """In order; what has not ended ends now."""
    turns: list[tuple[float, Doing | None]] = []
    for event in events:
        for at, doing in _turns(event):
            while turns and turns[-1][0] > at:
                turns.pop()  # it was to come, and something else came before
            turns.append((at, doing))
    past = [turn for turn in turns if turn[0] <= now]
    return [
        Phase(doing, begin, end) for (begin, doing), (end, _) in pairwise([*past, (now, None)]) if doing and end > begin
    ]


def _turns(event: Json) -> Iterator[tuple[float, Doing | None]]:
    """From when on it does something else, also later than the event."""
    at = seconds_of(event["at"])
    match event["event"]:
        case "created":
            due = seconds_of(event["due"]) if "due" in event else at
            if due > at:
                yield at, Doing.LATER
            yield due, Doing.QUEUED
        case "locked":
            yield at, Doing.RUNNING
        case "unlocked":
            yield at, Doing.PARKED if event.get("parked") else Doing.QUEUED
        case "attempt-failed" | "attempt-timed-out" | "attempt-lost":
            yield at, Doing.BACKOFF
            yield seconds_of(event["due"]), Doing.QUEUED
        case "paused":
            yield at, Doing.PAUSED
        case "resumed":
            yield at, Doing.QUEUED
        case "finished":
            yield at, None
        case _:
            pass
