"""Copying the write-ahead log to the file, beside the commits: done by a commit, it would hold that one up.

A thread with a connection of its own copies what was committed. A log that is all copied begins anew with the next
commit; while commits never rest there is always a little more. So when the log has become long, the writer copies that
little between two transactions.
"""

import sqlite3
import threading
from pathlib import Path

CHECKPOINT_SECONDS = 0.25
"""How long commits come together before they are copied."""
PASSES_MAX = 4
"""How often what came meanwhile is copied before the writer is asked for the rest."""
REST_PAGES = 100
"""So few pages are left to the writer."""
LOG_PAGES_MAX = 4_000
"""A log that is longer is to begin anew: its file takes no more room than about that, and reading it stays quick."""
_PASSIVE = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpoints:
    """Started with the store and closed before its writer's connection."""

    def __init__(self, path: Path) -> None:
        """Raises: sqlite3.Error."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._committed = threading.Event()
        self._closing = threading.Event()
        self._rest_is_due = False
        self._thread = threading.Thread(target=self._run, name="sqlite-checkpoints", daemon=True)
        self._thread.start()

    def committed(self, connection: sqlite3.Connection) -> None:
        """Called by the writer after a commit was acknowledged, with its connection."""
        if self._rest_is_due:
            self._rest_is_due = False
            try:
                connection.execute(_PASSIVE)
            except sqlite3.Error:
                return  # the log stays as it is; the next commit says what is wrong with the disk
        self._committed.set()

    def close(self) -> None:
        """Waits for the copying under way."""
        self._closing.set()
        self._committed.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._committed.wait()
            self._closing.wait(CHECKPOINT_SECONDS)
            self._committed.clear()
            try:
                self._copy()
            except sqlite3.Error:
                continue  # a full or broken disk: the commits say so, and the log still has everything

    def _copy(self) -> None:
        """Each pass copies what was committed until it began, so that the next one has less."""
        copied = 0
        for _ in range(PASSES_MAX):
            before = copied
            _, _, copied = self._connection.execute(_PASSIVE).fetchone()
            if copied - before <= REST_PAGES or self._closing.is_set():
                break
        self._rest_is_due = copied >= LOG_PAGES_MAX
