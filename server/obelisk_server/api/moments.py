"""Times that a client gives: an instant, or a duration from now."""

from datetime import UTC, datetime

from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.schedules import Schedule
from obelisk_server.api.refusals import InvalidRequest
from obelisk_server.durations import EXPECTED, NotADuration, parse_duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(name: str, text: str | None) -> Schedule | None:
    """From RFC 3339 with an offset, or a duration from now. Raises: InvalidRequest."""
    if text is None:
        return None
    try:
        return Schedule(parse_duration(text), relative=True)
    except NotADuration:
        return Schedule(_instant(name, text), relative=False)


def past(name: str, text: str | None, now: Instant) -> Instant | None:
    """From RFC 3339 with an offset, or a duration before now. Raises: InvalidRequest."""
    if text is None:
        return None
    try:
        return Instant(max(0, now - parse_duration(text)))
    except NotADuration:
        return _instant(name, text)


def _instant(name: str, text: str) -> Instant:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at < _EPOCH:
        raise InvalidRequest(f"{name} is {text!r}; expected {EXPECTED}, or a time such as 2026-01-31T12:00:00Z")
    since = at - _EPOCH
    return Instant((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
