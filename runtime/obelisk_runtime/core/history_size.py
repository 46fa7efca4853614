"""How large a history is, and when that is too much: a runaway workflow ends with a clear failure, after a warning."""

from dataclasses import dataclass

from obelisk_runtime.core import events as ev

WARNED_AT = 0.8
"""The share of a limit at which a history is warned of."""
_ENTRY_BYTES = 32
"""What an entry or a response costs beside its payload."""


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    events_max: int
    bytes_max: int

    def share(self, events: int, size: int) -> float:
        """How much of the narrower limit is used up; 1 is all of it."""
        return max(events / self.events_max, size / self.bytes_max)


def entry_bytes(event: ev.Event) -> int:
    """About what an event adds to the bytes of a history; only payloads count for more than a constant."""
    match event:
        case ev.ChildSubmitted(params=params, text=text):
            return _ENTRY_BYTES + len(params) + len(text or "")
        case ev.SubmissionRefused(params=text) | ev.Scheduled(params=text):
            return _ENTRY_BYTES + len(text)
        case ev.RandomDrawn(value=text) | ev.Stubbed(result=text):
            return _ENTRY_BYTES + len(text)
        case _:
            return _ENTRY_BYTES


def response_bytes(response: ev.Response) -> int:
    match response.result:
        case ev.ChildFinished(outcome=ev.Ok(value=text) | ev.Err(value=text)):
            return _ENTRY_BYTES + len(text or "")
        case _:
            return _ENTRY_BYTES
