"""What guests write and ask on its way to the store: in order with the events around it, awaited by nobody."""

import asyncio
from collections.abc import Callable, Sequence

from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import Catalog, LogRecord, RequestRecord
from obelisk_runtime.prompt import when_done

Record = LogRecord | RequestRecord
BATCH_RECORDS_MAX = 250
"""In one write: some milliseconds of the store's time."""


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
