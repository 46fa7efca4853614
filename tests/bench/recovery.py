"""After a kill -9: W4, how soon the work is done, and RP, how long a history takes to replay."""

import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

from client import FIBOA, WAIT_SECONDS, Connection, get, submit
from measuring import Scale
from report import Figure, median
from serving import TINY, Servers
from wasmtime import wat2wasm

POLL_SECONDS = 0.002
HISTORY = "testing:history/history.run"
NAP_SECONDS = 2
EVENTS_BESIDE = 4
"""Created, locked, join set created, delay submitted."""


def killed(servers: Servers, scale: Scale) -> list[Figure]:
    """W4: kill the server half-way through W1, start it again, wait for the result."""
    n = scale.count(500)
    times: list[float] = []
    again: list[int] = []
    for _ in range(scale.runs(3)):
        with servers.run() as server:
            connection = server.connect()
            connection.ask(submit(FIBOA, 10, 20))
            execution = connection.ask(submit(FIBOA, 10, n, wait=False))["id"]
            _until(connection, execution, "responses", n // 2)
            server.kill()
            started = time.perf_counter()
            server.start()
            server.connect().ask(_result(execution))
            times.append(time.perf_counter() - started)
            again.append(sum(item["attempts"] > 1 for item in server.executions(f"parent={execution}")))
    return [median("W4", times, "s", 0.7), Figure("W4 steps run again", max(again), "steps", 1, tuple(again))]


def replay(servers: Servers, scale: Scale) -> list[Figure]:
    """RP: a workflow of so many events is asleep as the server is killed; its sleep ends while there is no server.

    From the start of the server to the result, less the same of a workflow without a history.
    """
    quarter, whole = scale.count(2_500), scale.count(10_000)
    component = servers.folder / "history.wasm"
    component.write_bytes(wat2wasm(Path(__file__).with_name("history.wat").read_text()))
    rounds = [[_restart(servers, component, events) for events in (0, quarter, whole)] for _ in range(scale.runs(3))]
    bare = _Cost(*(statistics.median(values) for values in zip(*(costs[0] for costs in rounds), strict=True)))
    short, long = ([costs[index] for costs in rounds] for index in (1, 2))
    growth = _cpu(long, bare) / _cpu(short, bare) / (whole / quarter)
    return [
        median(f"RP {whole:,} events", [cost.seconds - bare.seconds for cost in long], "s", 1),
        median(f"RP {quarter:,} events", [cost.seconds - bare.seconds for cost in short], "s"),
        Figure("RP server cpu", 1e6 * _cpu(long, bare) / whole, "us/event"),
        Figure("RP cpu an event, long to short", growth, "times"),
        Figure("RP start without history", bare.seconds, "s"),
    ]


class _Cost(NamedTuple):
    seconds: float
    cpu_seconds: float


def _cpu(costs: list[_Cost], bare: _Cost) -> float:
    return statistics.median(cost.cpu_seconds for cost in costs) - bare.cpu_seconds


def _restart(servers: Servers, component: Path, events: int, nap_seconds: int = NAP_SECONDS) -> _Cost:
    """With a longer nap if that ended before all of the history was written."""
    with servers.run({**TINY, "workflow": (component,)}) as server:
        connection = server.connect()
        children = events // 2
        nap = submit(HISTORY, 10, children, 1_000 * nap_seconds, wait=False)
        execution = connection.ask(nap)["id"]
        if _until(connection, execution, "events", 2 * children + EVENTS_BESIDE)["status"] == "finished":
            return _restart(servers, component, events, 2 * nap_seconds)
        server.kill()
        time.sleep(nap_seconds)
        started = time.perf_counter()
        server.start()
        server.connect().ask(_result(execution))
        return _Cost(time.perf_counter() - started, server.cpu_seconds())


def _result(execution: str) -> bytes:
    return get(f"/v1/executions/{execution}/result?wait={WAIT_SECONDS}")


def _until(connection: Connection, execution: str, field: str, count: int) -> dict[str, Any]:
    """The execution once this field of it has come so far."""
    while (found := connection.ask(get(f"/v1/executions/{execution}")))[field] < count:
        time.sleep(POLL_SECONDS)
    return found
