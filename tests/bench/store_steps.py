"""What a step of a workflow costs in the SQLite store alone: bytes, steps a second, processor time.

Run: python tests/bench/store_steps.py [steps] [profile]
"""

import asyncio
import cProfile
import pstats
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from obelisk_runtime.core.ids import ExecutionId, Instant, top_level_id
from obelisk_runtime.storage.sqlite import SqliteStore
from obelisk_runtime.testing.series import Series

STEPS = next((int(word) for word in sys.argv[1:] if word.isdecimal()), 500)
PROFILE = "profile" in sys.argv[1:]


def now() -> Instant:
    return Instant(time.time_ns() // 1000)


def workflow_id(number: int) -> ExecutionId:
    return top_level_id(now() // 1000, number)


def floor(folder: Path, count: int = 2_000) -> float:
    connection = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id INTEGER, body BLOB)"
    )
    started = time.perf_counter()
    for number in range(count):
        connection.execute("INSERT INTO t VALUES (?, ?)", (number, b"x" * 100))
    return count / (time.perf_counter() - started)


async def series(folder: Path, *, workflows: int, steps: int, together: bool) -> None:
    path = folder / f"{workflows}-{together}.sqlite"
    store = await SqliteStore.open(path)
    runs = [Series(store, workflow_id(number), now) for number in range(workflows)]
    try:
        await measure(runs, steps, together=together)
    finally:
        await store.close()
    print(f"{path.stat().st_size / workflows / steps:9.0f} bytes a step")


async def measure(runs: list[Series], steps: int, *, together: bool) -> None:
    await asyncio.gather(*(run.start() for run in runs))

    async def drive(run: Series) -> None:
        for _ in range(steps):
            await run.step(together=together)

    profile = cProfile.Profile() if PROFILE and len(runs) == 1 and together else None
    cpu, wall = time.process_time(), time.perf_counter()
    if profile:
        profile.enable()
    await asyncio.gather(*(drive(run) for run in runs))
    if profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await asyncio.gather(*(run.finish() for run in runs))
    total = len(runs) * steps
    print(
        f"{len(runs):4} workflows, {'one turn' if together else 'two turns'} a step: {total / wall:6.0f} steps/s, "
        f"{cpu / total * 1e6:4.0f} us processor, {wall / total * 1e6:4.0f} us wall"
    )


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"floor: {floor(folder):.0f} single-row commits/s")
        for together in (True, False):
            await series(folder, workflows=1, steps=STEPS, together=together)
            await series(folder, workflows=200, steps=50, together=together)


asyncio.run(main())
