"""What a guest call writes, as records: whole lines, bounded in length and number."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.ports.store import LogLevel, LogRecord
from obelisk_runtime.service.process.logs import Record

LINE_BYTES_MAX = 16 * 1024
"""A longer message is cut there, with a mark."""
LOOKAHEAD_BYTES = 16 * 1024
"""What is read beyond the cut, so that a secret that lies across it is seen whole, and taken out."""
CUT = " … (cut)"
"""At the end of what was longer."""
FULL = "the log of this attempt is full; what follows is not kept"
"""The last record of a guest that wrote too much."""
_HOST = "host"
_LEVELS = {"stdout": LogLevel.INFO, "stderr": LogLevel.WARN}


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where in the life of a guest call a line belongs: see `LogRecord`."""

    run: int
    at: Instant
    known: bool = False
    """A replay has come here before: the line is in the store already. It is counted all the same."""


class Records(Protocol):
    """Where records go."""

    @property
    def redact(self) -> Callable[[str], str]: ...

    def write(self, record: Record) -> None: ...


class GuestLog:
    """What one guest call writes, as records: lines of streams, and messages. Both their length and their number end.

    A replayed call counts what it wrote before, so it is cut where it was cut before.
    """

    def __init__(self, writer: Records, execution_id: ExecutionId, limits: RuntimeLimits) -> None:
        self._writer = writer
        self._execution_id = execution_id
        self._records_left = limits.log_records_max
        self._bytes_left = limits.log_bytes_max
        self._run = -1
        self._ordinal = 0
        self._lines: dict[str, _Line] = {}

    def message(self, place: LogPlace, level: LogLevel, message: str) -> None:
        """Of obelisk:log."""
        self._record(place, level, "log", message)

    def output(self, place: LogPlace, source: str, data: bytes) -> None:
        """Bytes of a stream; every whole line becomes a record."""
        line = self._lines.setdefault(source, _Line())
        for text in line.take(data):
            self._record(place, _LEVELS[source], source, text.decode(errors="replace"))

    def end(self, place: LogPlace) -> None:
        """The guest ended: a last line without its newline is a record too."""
        for source, line in self._lines.items():
            for text in filter(None, line.end()):
                self._record(place, _LEVELS[source], source, text.decode(errors="replace"))

    def _record(self, place: LogPlace, level: LogLevel, source: str, message: str) -> None:
        if not self._records_left:
            return
        message = _shortened(self._writer.redact(message))
        self._ordinal = self._ordinal + 1 if place.run == self._run else 0
        self._run = place.run
        self._records_left -= 1
        self._bytes_left -= len(message) if message.isascii() else len(message.encode())
        if not self._records_left or self._bytes_left < 0:
            self._records_left = 0
            level, source, message = LogLevel.WARN, _HOST, FULL
        if not place.known:
            at = LogRecord(self._execution_id, place.run, self._ordinal, place.at, level, source, message)
            self._writer.write(at)


class _Line:
    """The line of a stream that is being written."""

    __slots__ = ("_cut", "_written")

    def __init__(self) -> None:
        self._written = bytearray()
        self._cut = False
        """Its beginning was longer than a record holds and has been recorded; the rest is dropped."""

    def take(self, data: bytes) -> Iterator[bytes]:
        """The lines that are whole now, and one that is too long as soon as it is."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._written += line
            yield from self.end()
            self._cut = False
        self._written += rest
        if len(self._written) > LINE_BYTES_MAX + LOOKAHEAD_BYTES:
            yield from self.end()
            self._cut = True

    def end(self) -> Iterator[bytes]:
        written, self._written = bytes(self._written), bytearray()
        if not self._cut:
            yield written


def _shortened(message: str) -> str:
    if len(message) * 4 <= LINE_BYTES_MAX:
        return message
    encoded = message.encode()
    return message if len(encoded) <= LINE_BYTES_MAX else encoded[:LINE_BYTES_MAX].decode(errors="ignore") + CUT
