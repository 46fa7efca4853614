"""What guests write and ask, as records in the store: in order with the events around them, awaited by nobody."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.ports.store import Catalog, LogLevel, LogRecord, RequestRecord
from obelisk_runtime.prompt import when_done

Record = LogRecord | RequestRecord
LINE_BYTES_MAX = 16 * 1024
"""A longer message is cut there, with a mark."""
CUT = " … (cut)"
"""At the end of what was longer."""
FULL = "the log of this attempt is full; what follows is not kept"
"""The last record of a guest that wrote too much."""
BATCH_RECORDS_MAX = 250
"""In one write: some milliseconds of the store's time."""
_HOST = "host"
_LEVELS = {"stdout": LogLevel.INFO, "stderr": LogLevel.WARN}


class LogWriter:
    """Hands records to the store in batches, one after the other, so that no commit has to wait for many of them.

    `flush` hands over what an append must not overtake; by `drained` one waits until that is not much.
    """

    def __init__(self, catalog: Catalog, redact: Callable[[str], str]) -> None:
        self._catalog = catalog
        self.redact = redact
        """Takes known secrets out of a text."""
        self._waiting: dict[ExecutionId, list[Record]] = {}
        self._sending = False
        """A batch is on its way, or will be at the end of this turn of the loop."""
        self._drains: dict[ExecutionId, asyncio.Future[None]] = {}
        self._unborn: dict[ExecutionId, list[Record]] = {}
        self._listeners: list[Callable[[frozenset[ExecutionId]], None]] = []

    def unborn(self, execution_id: ExecutionId) -> None:
        """It runs though it is not in the store: until `born`, what it writes is kept, for it may come too early."""
        self._unborn[execution_id] = []

    def born(self, execution_id: ExecutionId, *, late: bool) -> None:
        """It is in the store; `late`: an earlier try to create it failed, and with it what was written."""
        kept = self._unborn.pop(execution_id, ())
        if late:
            for record in kept:
                self.write(record)

    def write(self, record: Record) -> None:
        kept = self._unborn.get(record.execution_id)
        if kept is not None:
            kept.append(record)
        if not self._sending:
            self._sending = True
            asyncio.get_running_loop().call_soon(self._send)
        self._waiting.setdefault(record.execution_id, []).append(record)

    def flush(self, execution_id: ExecutionId) -> None:
        """Hand over what it wrote; call it before an append that must not overtake the records."""
        records = self._waiting.pop(execution_id, None)
        if records:
            self._hand_over(records)
            self._tell_if_drained(execution_id)

    def flush_all(self) -> None:
        """The server stops."""
        for execution_id in list(self._waiting):
            self.flush(execution_id)

    def drained(self, execution_id: ExecutionId) -> "asyncio.Future[None] | None":
        """Done when what is left of its records fits into one batch; None: it does."""
        if len(self._waiting.get(execution_id, ())) <= BATCH_RECORDS_MAX:
            return None
        return self._drains.setdefault(execution_id, asyncio.get_running_loop().create_future())

    def _send(self) -> None:
        batch: list[Record] = []
        while self._waiting and len(batch) < BATCH_RECORDS_MAX:
            execution_id, records = next(iter(self._waiting.items()))
            del self._waiting[execution_id]
            room = BATCH_RECORDS_MAX - len(batch)
            batch += records[:room]
            if len(records) > room:
                self._waiting[execution_id] = records[room:]
            self._tell_if_drained(execution_id)
        self._sending = bool(batch)
        if batch:
            when_done(self._hand_over(batch), lambda _: self._send())

    def _tell_if_drained(self, execution_id: ExecutionId) -> None:
        drain = self._drains.get(execution_id)
        if drain is not None and len(self._waiting.get(execution_id, ())) <= BATCH_RECORDS_MAX:
            del self._drains[execution_id]
            if not drain.done():
                drain.set_result(None)

    def _hand_over(self, records: Sequence[Record]) -> "asyncio.Future[None]":
        """Done when the last of them is written, or is known not to be."""
        lines = [record for record in records if isinstance(record, LogRecord)]
        requests = [record for record in records if isinstance(record, RequestRecord)]
        last: asyncio.Future[None] | None = None
        if requests:
            last = asyncio.ensure_future(self._catalog.write_requests(requests))
            last.add_done_callback(_forgive)
        if lines:
            last = asyncio.ensure_future(self._catalog.write_logs(lines))
            last.add_done_callback(lambda done: self._written(lines, done))
        assert last is not None
        return last

    def _written(self, records: Sequence[LogRecord], done: "asyncio.Future[None]") -> None:
        """A store that cannot write says so to every append; a log record is not worth an error of its own."""
        if done.cancelled() or done.exception() is not None or not self._listeners:
            return
        executions = frozenset(record.execution_id for record in records)
        for listener in self._listeners:
            listener(executions)

    def subscribe(self, listener: Callable[[frozenset[ExecutionId]], None]) -> Callable[[], None]:
        """Tell of the executions that have new records; the result unsubscribes. The listener must not raise."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


def _forgive(written: "asyncio.Future[None]") -> None:
    if not written.cancelled():
        written.exception()


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
        if len(self._written) > LINE_BYTES_MAX:
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
