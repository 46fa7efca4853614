"""What guests write, as records in the store: in order with the events around them, never awaited by anybody."""

import asyncio

from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.ports.store import Catalog, LogLevel, LogRecord

LINE_BYTES_MAX = 16 * 1024
"""A longer message is cut there, with a mark."""
_CUT = " … (cut)"
_LEVELS = {"stdout": LogLevel.INFO, "stderr": LogLevel.WARN}


class LogWriter:
    """Collects the records of one turn of the event loop into one write."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._records: list[LogRecord] = []
        self._unborn: dict[ExecutionId, list[LogRecord]] = {}

    def unborn(self, execution_id: ExecutionId) -> None:
        """It runs though it is not in the store: until `born`, what it writes is kept, for it may come too early."""
        self._unborn[execution_id] = []

    def born(self, execution_id: ExecutionId, *, late: bool) -> None:
        """It is in the store; `late`: an earlier try to create it failed, and with it what was written."""
        kept = self._unborn.pop(execution_id, ())
        if late:
            for record in kept:
                self.write(record)

    def write(self, record: LogRecord) -> None:
        kept = self._unborn.get(record.execution_id)
        if kept is not None:
            kept.append(record)
        if not self._records:
            asyncio.get_running_loop().call_soon(self.flush)
        self._records.append(record)

    def flush(self) -> None:
        """Hand over what was collected; call it before an append that must not overtake the records."""
        if self._records:
            records, self._records = self._records, []
            asyncio.ensure_future(self._catalog.write_logs(records)).add_done_callback(_forgive)


def _forgive(written: "asyncio.Future[None]") -> None:
    """A store that cannot write says so to every append; a log record is not worth an error of its own."""
    if not written.cancelled():
        written.exception()


class GuestLog:
    """The records of one guest call. `run` and `ordinal` identify a record: see `LogRecord`."""

    def __init__(self, writer: LogWriter, execution_id: ExecutionId) -> None:
        self._writer = writer
        self._execution_id = execution_id
        self._run = -1
        self._ordinal = 0
        self._lines: dict[str, bytes] = {}

    def record(self, run: int, at: Instant, level: LogLevel, source: str, message: str) -> None:
        self._ordinal = self._ordinal + 1 if run == self._run else 0
        self._run = run
        if len(message) > LINE_BYTES_MAX:
            message = message[:LINE_BYTES_MAX] + _CUT
        self._writer.write(LogRecord(self._execution_id, run, self._ordinal, at, level, source, message))

    def output(self, run: int, at: Instant, source: str, data: bytes) -> None:
        """Bytes of a stream; every whole line becomes a record."""
        *lines, rest = (self._lines.get(source, b"") + data).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            lines.append(rest)
            rest = b""
        self._lines[source] = rest
        for line in lines:
            self.record(run, at, _LEVELS[source], source, line.decode(errors="replace"))

    def end(self, run: int, at: Instant) -> None:
        """The guest ended: a last line without its newline is a record too."""
        for source, rest in self._lines.items():
            if rest:
                self.record(run, at, _LEVELS[source], source, rest.decode(errors="replace"))
        self._lines.clear()
