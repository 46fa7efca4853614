"""The thread that writes: it takes what has come together, commits it as one transaction and acknowledges all of it."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Generic, TypeVar, cast

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.figures import StoreFigures
from obelisk_runtime.ports.store import Changed, StoreUnavailable
from obelisk_runtime.prompt import Prompt
from obelisk_runtime.storage.sqlite.checkpoints import Checkpoints
from obelisk_runtime.storage.sqlite.ledger import Ledger

QUEUED_MAX = 50_000
"""Writes that may wait or be under way; one more is refused."""
TRANSACTION_WRITES_MAX = 1_000
"""Writes after which a transaction takes no more."""

T = TypeVar("T")


class Write(Generic[T]):
    """A change to be made, and who waits for it."""

    __slots__ = ("apply", "done", "error", "result")

    def __init__(self, apply: Callable[[Ledger], T], done: "asyncio.Future[T]") -> None:
        self.apply = apply
        """Changes the ledger or, leaving it alone, raises an ObeliskError. May be called again after a rollback."""
        self.done = done
        self.result: T | None = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """A caller that was cancelled meanwhile is not told, but it is written."""
        if self.done.done():
            return
        if self.error is None:
            self.done.set_result(cast("T", self.result))
        else:
            self.done.set_exception(self.error)


class _BrokenWrite(Exception):
    """A write has a bug: the others are done without it, and its caller is told."""

    def __init__(self, write: Write[Any]) -> None:
        super().__init__()
        self.write = write


class Writer:
    """Owned by one event loop. Everything is called on it but what begins with `_run`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        ledger: Ledger,
        checkpoints: Checkpoints,
        tell: Callable[[Changed], None],
        figures: StoreFigures,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._ledger = ledger
        self._checkpoints = checkpoints
        self._tell = tell
        self._figures = figures
        self._closed = False
        self._under_way = 0
        self._outbox: list[Write[Any]] = []
        self._queue: queue.SimpleQueue[list[Write[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, apply: Callable[[Ledger], T]) -> "asyncio.Future[T]":
        """Queue a write. All writes of one turn of the loop reach the thread together."""
        done = Prompt[T](loop=self._loop)
        if self._closed:
            done.set_exception(StoreUnavailable("the store is closed"))
            return done
        if self._under_way >= QUEUED_MAX:
            done.set_exception(StoreUnavailable(f"{QUEUED_MAX} writes are waiting for the disk; try again later"))
            return done
        self._under_way += 1
        if not self._outbox:
            self._loop.call_soon(self._send)
        self._outbox.append(Write(apply, done))
        return done

    def _send(self) -> None:
        if self._outbox:
            self._queue.put(self._outbox)
            self._outbox = []

    def _acknowledge(self, writes: Sequence[Write[Any]], changed: Changed | None) -> None:
        self._under_way -= len(writes)
        for write in writes:
            write.settle()
        if changed is not None:
            self._tell(changed)

    async def close(self) -> None:
        """Finish what was submitted, copy the write-ahead log to the file, and end the thread."""
        if not self._closed:
            self._closed = True
            self._send()
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    # On the thread

    def _run(self) -> None:
        ending = False
        while not ending:
            writes, ending = self._run_take()
            if writes:
                begun = perf_counter()
                changed = self._run_transaction(writes)
                self._figures.commits.add(perf_counter() - begun)
                self._figures.writes += len(writes)
                try:
                    self._loop.call_soon_threadsafe(self._acknowledge, writes, changed)
                except RuntimeError:  # the loop is closed: nobody is left to be told
                    ending = True
                self._checkpoints.committed(self._connection)
        self._run_end()

    def _run_take(self) -> tuple[list[Write[Any]], bool]:
        """(what waits, whether it is the last). Waits for something."""
        writes: list[Write[Any]] = []
        more = self._queue.get()
        while more is not None:
            writes += more
            if len(writes) >= TRANSACTION_WRITES_MAX:
                return writes, False
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                return writes, False
        return writes, True

    def _run_transaction(self, writes: Sequence[Write[Any]]) -> Changed | None:
        """Write all of it or, if that fails, nothing; each write then has its result or error."""
        try:
            try:
                return self._run_once(writes, careful=False)
            except sqlite3.IntegrityError:
                return self._run_once(writes, careful=True)
        except _BrokenWrite as broken:
            broken.write.error = broken.__cause__
            return self._run_transaction([write for write in writes if write is not broken.write])
        except (sqlite3.Error, OSError) as error:
            failure: BaseException = StoreUnavailable(f"the store cannot write: {error}; nothing was written")
            failure.__cause__ = error
        except BaseException as error:  # noqa: BLE001 - the boundary of the thread: a bug must reach those who wait
            if len(writes) > 1:
                return self._run_apart(writes)
            failure = error
        for write in writes:
            write.error = failure
        return None

    def _run_apart(self, writes: Sequence[Write[Any]]) -> Changed | None:
        """What failed did so when all rows were written, so nobody knows whose fault it is: a transaction for each."""
        changes = [changed for write in writes if (changed := self._run_transaction([write])) is not None]
        executions = frozenset[ExecutionId]().union(*(changed.executions for changed in changes))
        if not changes:
            return None
        pending = any(changed.pending for changed in changes)
        return Changed(executions, pending, max(changed.sequence for changed in changes))

    def _run_once(self, writes: Sequence[Write[Any]], *, careful: bool) -> Changed | None:
        ledger = self._ledger
        ledger.careful = careful
        try:
            ledger.begin()
            for write in writes:
                write.error = None
                try:
                    write.result = write.apply(ledger)
                except ObeliskError as refusal:
                    write.error = refusal
                except (sqlite3.Error, OSError):
                    raise
                except Exception as bug:
                    raise _BrokenWrite(write) from bug
            ledger.commit()
        except BaseException:
            ledger.roll_back()
            raise
        return Changed(frozenset(ledger.changed), ledger.pending, ledger.sequence) if ledger.changed else None

    def _run_end(self) -> None:
        self._checkpoints.close()
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            return  # the log stays beside the file; the next one who opens it reads it
        finally:
            self._connection.close()
