"""Steps, activities, workflows and answers a second: W1, W2, W3, LAT, UI, and the bytes a step leaves: DB."""

import sqlite3
import statistics
import threading
from collections.abc import Generator
from contextlib import contextmanager
from itertools import cycle

from client import FIBOA, FIBOA_CONCURRENT, Connection, ask_all, get, submit
from measuring import Meter, Scale
from report import Figure, median, percentile
from serving import Server, Servers

N = 10
LISTS = (
    "limit=50",
    "children=true&limit=50",
    "function=testing:fibo&children=true&status=finished&limit=50",
    "status=blocked&status=locked&status=pending&limit=50",
    "result=err&children=true&limit=50",
    "tag=customer%3D7&limit=50",
)


def series(servers: Servers, scale: Scale) -> list[Figure]:
    """W1: one workflow calls an activity n times in series, and 4n times."""
    n = scale.count(500)
    with _warm(servers) as (server, connection):
        meter, once, fourfold = Meter(server), list[float](), list[float]()
        for _ in range(scale.runs(5)):
            once.append(n / meter.seconds(n, lambda: connection.ask(submit(FIBOA, N, n))))
            fourfold.append(4 * n / meter.seconds(4 * n, lambda: connection.ask(submit(FIBOA, N, 4 * n))))
        return [
            median("W1", once, "steps/s", 1_500),
            median("W1 with 4n", fourfold, "steps/s"),
            *meter.figures("W1", "step"),
        ]


def concurrent(servers: Servers, scale: Scale) -> list[Figure]:
    """W2: children of one join set."""
    figures: list[Figure] = []
    with _warm(servers) as (server, connection):
        for children in (200, 1_000, 4_000):
            n = scale.count(children)
            meter = Meter(server)
            rates = [
                n / meter.seconds(n, lambda n=n: connection.ask(submit(FIBOA_CONCURRENT, N, n)))
                for _ in range(scale.runs(3 if children > 200 else 7))
            ]
            name = f"W2 {children}"
            figures.append(median(name, rates, "activities/s", 3_000 if children < 4_000 else None))
            figures += meter.figures(name, "activity")[:1]
    return figures


def many(servers: Servers, scale: Scale) -> list[Figure]:
    """W3: workflows of three steps, one waiting POST each, over 32 connections."""
    n = scale.count(1_000)
    with _warm(servers) as (server, _):
        meter = Meter(server)
        requests = [submit(FIBOA, N, 3)] * n
        rates = [n / meter.seconds(n, lambda: ask_all(server.port, requests)) for _ in range(scale.runs(3))]
        return [median("W3", rates, "workflows/s", 1_000), *meter.figures("W3", "workflow")]


def latency(servers: Servers, scale: Scale) -> list[Figure]:
    """LAT: a workflow of one step on a server that has nothing else to do, from request to result."""
    n = scale.count(400)
    with _warm(servers) as (server, connection):
        meter = Meter(server)
        times = [1e3 * meter.seconds(1, lambda: connection.ask(submit(FIBOA, N, 1))) for _ in range(n)]
        return [
            median("LAT p50", times, "ms", 1.5),
            Figure("LAT p99", percentile(times, 99), "ms", 4),
            *meter.figures("LAT", "workflow"),
        ]


def size(servers: Servers, scale: Scale) -> list[Figure]:
    """DB: what a step of W1 adds to the file."""
    n = scale.count(4_000)
    with _warm(servers) as (server, _):
        before = _settled_size(server)
        server.start()
        server.connect().ask(submit(FIBOA, N, n))
        return [Figure("DB", (_settled_size(server) - before) / n, "bytes/step", 300)]


def _settled_size(server: Server) -> int:
    server.stop()
    database = sqlite3.connect(server.database)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return server.database.stat().st_size


def listed(servers: Servers, scale: Scale) -> list[Figure]:
    """UI: W1 while a client lists executions one way after the other, against W1 alone."""
    n = scale.count(500)
    with _warm(servers) as (server, connection):
        ask_all(server.port, [submit(FIBOA, N, 3)] * scale.count(2_000))
        meter, alone, beside, lists = Meter(server), list[float](), list[float](), 0
        for _ in range(scale.runs(5)):
            alone.append(n / meter.seconds(n, lambda: connection.ask(submit(FIBOA, N, n))))
            with _lister(server) as count:
                beside.append(n / meter.seconds(n, lambda: connection.ask(submit(FIBOA, N, n))))
            lists += len(count)
        ratios = [slow / fast for slow, fast in zip(beside, alone, strict=True)]
        seconds = sum(n / rate for rate in beside)
        return [
            Figure("UI", statistics.median(beside) / statistics.median(alone), "of W1", 0.7, tuple(ratios)),
            Figure("UI lists meanwhile", lists / seconds, "lists/s"),
        ]


@contextmanager
def _lister(server: Server) -> Generator[list[int]]:
    """A client that lists all the time, with what it got."""
    stop, got = threading.Event(), list[int]()
    connection = server.connect()

    def run() -> None:
        for query in cycle(LISTS):
            if stop.is_set():
                return
            got.append(len(connection.ask(get(f"/v1/executions?{query}"))["items"]))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield got
    finally:
        stop.set()
        thread.join()
        connection.close()


@contextmanager
def _warm(servers: Servers) -> Generator[tuple[Server, Connection]]:
    """A server that has done a little of everything, and a connection to it."""
    with servers.run() as server:
        connection = server.connect()
        connection.ask(submit(FIBOA, N, 50))
        connection.ask(submit(FIBOA_CONCURRENT, N, 50))
        ask_all(server.port, [submit(FIBOA, N, 1)] * 32)
        yield server, connection
        connection.close()
