"""Durations as people write them: `100ms`, `10s`, `1.5m`, `2h`, `7d`."""

import re

MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
PATTERN = r"[0-9]+(\.[0-9]+)?(us|ms|s|m|h|d)"
EXPECTED = 'a duration such as "100ms", "10s", "1m", "2h" or "7d"'
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d)")


class NotADuration(ValueError):
    def __init__(self, found: object) -> None:
        super().__init__(f"found {found!r}, expected {EXPECTED}")


def parse_duration(text: str) -> int:
    """Microseconds. Raises: NotADuration."""
    match = _DURATION.fullmatch(text)
    if match is None or len(text) > 32:
        raise NotADuration(text)
    return round(float(match[1]) * MICROSECONDS[match[2]])


def duration_text(microseconds: int) -> str:
    """The shortest exact text: 1_500_000 is `1500ms`."""
    unit = next(
        (unit for unit, size in reversed(MICROSECONDS.items()) if microseconds and microseconds % size == 0), "s"
    )
    return f"{microseconds // MICROSECONDS[unit]}{unit}"
