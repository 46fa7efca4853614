"""How long commits wait while 100,000 finished executions are deleted beside the work of one workflow.

Run: python tests/bench/retention.py [executions]
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import ExecutionId, ExecutorId, Instant, top_level_id
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.trees import Grafted
from obelisk_runtime.service.retention import REST_SECONDS, ROWS_PER_WRITE_MAX, TREES_PER_WRITE_MAX
from obelisk_runtime.storage.sqlite import SqliteStore
from obelisk_runtime.testing.series import Series

EXECUTIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
TOGETHER = 500
OLD = Instant(1_600_000_000_000_000)
FUNCTION = Ffqn.parse("testing:fibo/fibo.fibo")
SWITCH_INTERVAL_SECONDS = 0.0002
"""As the server has it."""


def now() -> Instant:
    return Instant(time.time_ns() // 1_000)


def old(number: int) -> Grafted:
    created = ev.Created(ev.ExecutionKind.ACTIVITY, FUNCTION, '["some parameters"]', tags={"team": str(number % 9)})
    events = (created, ev.Locked(ExecutorId(f"X_{number % 3}"), 1), ev.Finished(ev.Ok('"and a result"')))
    log = [ev.Recorded(version, OLD, event) for version, event in enumerate(events)]
    id_ = top_level_id(OLD // 1_000, number)
    return Grafted(id_, log, (), fold(id_, log, ()))


async def fill(store: SqliteStore) -> None:
    for start in range(0, EXECUTIONS, TOGETHER):
        await asyncio.gather(
            *(store.graft([old(number)]) for number in range(start, min(start + TOGETHER, EXECUTIONS)))
        )


async def delete(store: SqliteStore) -> int:
    """As the service does it."""
    deleted, cursor = 0, None
    while True:
        found = await store.old_trees(now(), cursor=cursor)
        for start in range(0, len(found.ids), TREES_PER_WRITE_MAX):
            deleted += len(
                await store.prune(found.ids[start : start + TREES_PER_WRITE_MAX], Instant(now() - 3600_000_000))
            )
            await asyncio.sleep(REST_SECONDS)
        cursor = found.next_cursor
        if cursor is None:
            break
    print(f"{deleted} executions are gone", flush=True)
    while await store.sweep(ROWS_PER_WRITE_MAX):  # noqa: ASYNC110 - a rest, not a wait
        await asyncio.sleep(REST_SECONDS)
    return deleted


async def work(store: SqliteStore, pauses: list[float]) -> None:
    run = Series(store, ExecutionId(top_level_id(now() // 1_000, 1)), now)
    await run.start()
    while True:
        begun = time.perf_counter()
        await run.step()
        pauses.append(time.perf_counter() - begun)


def describe(name: str, pauses: list[float], seconds: float) -> None:
    ordered = sorted(pauses)
    p50, p99, most = (ordered[int(len(ordered) * part)] * 1e3 for part in (0.5, 0.99, 1 - 1e-9))
    rate = len(pauses) / seconds
    print(
        f"{name}: {rate:6.0f} steps/s, a step waits p50 {p50:.2f} ms, p99 {p99:.2f} ms, at most {most:.1f} ms",
        flush=True,
    )


async def main(folder: Path) -> None:
    store = await SqliteStore.open(folder / "obelisk.db")
    begun = time.perf_counter()
    await fill(store)
    print(f"{EXECUTIONS} executions in {time.perf_counter() - begun:.1f} s", flush=True)
    pauses: list[float] = []
    working = asyncio.ensure_future(work(store, pauses))
    await asyncio.sleep(3)
    describe("alone   ", pauses, 3)
    pauses.clear()
    begun = time.perf_counter()
    await delete(store)
    describe("deleting", pauses, time.perf_counter() - begun)
    print(f"deleted in {time.perf_counter() - begun:.1f} s")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await store.close()


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    with tempfile.TemporaryDirectory(prefix="bench-", dir="build") as name:
        asyncio.run(main(Path(name)))
