"""RET: how long nothing is committed while old executions are deleted beside W3, and beside W3 alone."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from client import FIBOA, Connection, Stream, post, submit
from commits import Commits
from measuring import Scale
from report import Figure, percentile
from serving import Server, Servers

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import ExecutionId, ExecutorId, Instant, top_level_id
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import Grafted
from obelisk_runtime.storage.sqlite import SqliteStore

OLD = Instant(1_600_000_000_000_000)
FUNCTION = Ffqn.parse("testing:fibo/fibo.fibo")
TOGETHER = 500
ALONE_SECONDS = 10.0
POLL_SECONDS = 0.25


def deleted(servers: Servers, scale: Scale) -> list[Figure]:
    """RET: 100,000 finished executions are deleted while W3 runs; before and after that W3 runs alone."""
    n, seconds = (1_000, 1.0) if scale.short else (100_000, ALONE_SECONDS)
    with servers.prepared() as server:
        asyncio.run(_fill(server.database, n))
        server.start()
        load = Stream(server.port, submit(FIBOA, 10, 3))
        with Commits(server.database) as commits:
            before = load.run(lambda begun: time.perf_counter() - begun > seconds)
            alone = commits.take()[1:-1]
            pruning = threading.Thread(target=_prune, args=(server,))
            pruning.start()
            during = load.run(_until_gone(server, pruning))
            deleting = commits.take()[:-1]
            pruning.join()
            after = load.run(lambda begun: time.perf_counter() - begun > seconds)
            alone += commits.take()[:-1]
        load.close()
    return [
        Figure("RET longest pause of commits", 1e3 * max(deleting, default=0.0), "ms", 50),
        Figure("RET longest pause of commits, W3 alone", 1e3 * max(alone, default=0.0), "ms"),
        Figure("RET pause p99.9", 1e3 * _per_mille(deleting), "ms"),
        Figure("RET pause p99.9, W3 alone", 1e3 * _per_mille(alone), "ms"),
        Figure("RET answer p99", 1e3 * percentile(during.latencies, 99), "ms"),
        Figure("RET answer p99, W3 alone", 1e3 * percentile(before.latencies + after.latencies, 99), "ms"),
        Figure("RET W3 meanwhile", during.rate / ((before.rate + after.rate) / 2), "of W3"),
        Figure("RET deleted", n / during.seconds, "executions/s"),
    ]


def _per_mille(pauses: list[float]) -> float:
    return sorted(pauses)[len(pauses) * 999 // 1_000] if pauses else 0.0


def _prune(server: Server) -> None:
    connection, cursor = Connection(server.port), ""
    while cursor is not None:
        page = connection.ask(post("/v1/prune", {"older_than": "1d", **({"cursor": cursor} if cursor else {})}))
        cursor = page["next_cursor"]
    connection.close()


def _until_gone(server: Server, pruning: threading.Thread) -> Callable[[float], bool]:
    """All is cut off and its room is free; asked seldom."""
    database = sqlite3.connect(f"{server.database.as_uri()}?mode=ro", uri=True)
    asked = 0.0

    def gone(_: float) -> bool:
        nonlocal asked
        if pruning.is_alive() or time.perf_counter() - asked < POLL_SECONDS:
            return False
        asked = time.perf_counter()
        return not database.execute("SELECT EXISTS (SELECT 1 FROM executions WHERE parent < 0)").fetchone()[0]

    return gone


async def _fill(database: Path, count: int) -> None:
    store = await SqliteStore.open(database)
    for start in range(0, count, TOGETHER):
        numbers = range(start, min(start + TOGETHER, count))
        await asyncio.gather(*(store.graft([_old(number)]) for number in numbers))
    await store.close()


def _old(number: int) -> Grafted:
    created = ev.Created(ev.ExecutionKind.ACTIVITY, FUNCTION, '["some parameters"]', tags={"team": str(number % 9)})
    events = (created, ev.Locked(ExecutorId(f"X_{number % 3}"), 1), ev.Finished(ev.Ok('"and a result"')))
    log = [ev.Recorded(version, OLD, event) for version, event in enumerate(events)]
    id_ = ExecutionId(top_level_id(OLD // 1_000, number))
    return Grafted(id_, log, (), fold(id_, log, ()))
