"""When a store commits, seen from a process of its own."""

import multiprocessing
import sqlite3
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from types import TracebackType

LOOK_SECONDS = 0.0005


class Commits:
    """The times between commits of a database, whoever makes them: `PRAGMA data_version` changes with each.

    A process of its own looks, which the work of the others does not hold up; commits closer together than it looks
    count as one.
    """

    def __init__(self, database: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_watch, args=(database, other), daemon=True)

    def __enter__(self) -> "Commits":
        self._process.start()
        self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send(False)
        self._process.join()

    def take(self) -> list[float]:
        """Seconds between commits since the last call, and between the last of them and now."""
        self._pipe.send(True)
        return self._pipe.recv()


def _watch(database: Path, pipe: Pipe) -> None:
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, isolation_level=None)
    pauses, latest, seen = list[float](), time.perf_counter(), 0
    pipe.send(None)
    while True:
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        now = time.perf_counter()
        if version != seen:
            pauses.append(now - latest)
            latest, seen = now, version
        if pipe.poll():
            if not pipe.recv():
                return
            pipe.send([*pauses, now - latest])
            pauses, latest = [], now
        time.sleep(LOOK_SECONDS)
