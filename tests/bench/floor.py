"""What the disk allows: single-row durable commits a second with plain `sqlite3` in the settings of the store."""

import sqlite3
import time
from pathlib import Path

FLOOR_OF_TARGETS = 7_800
"""Commits a second of the machine for which the targets were set."""


def commits_per_second(folder: Path, seconds: float) -> float:
    path = folder / "floor.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (body BLOB)")
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        connection.execute("INSERT INTO t VALUES (?)", (b"x" * 100,))
        count += 1
    elapsed = time.perf_counter() - started
    connection.close()
    for leftover in folder.glob(path.name + "*"):
        leftover.unlink()
    return count / elapsed
