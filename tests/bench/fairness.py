"""FAIR: how long a short workflow takes beside a busy loop, a workflow that polls, and a flood of submits."""

import threading
import time
from collections.abc import Callable

from client import FIBOA, SLEEP, Connection, ask_all, get, post, submit
from measuring import Scale
from report import Figure, percentile
from serving import PRODUCTS, TINY, Server, Servers

COMPONENTS = {**TINY, "workflow": (*TINY["workflow"], PRODUCTS / "script_workflow.wasm")}
STUB = """
[[stub]]
function = "testing:approval/desk.decide"
params = "func(order: u64) -> result<bool, string>"
"""
"""That the script imports."""
SCRIPT = "testing:script-workflow/script.run-cancellable"
UNFINISHED = get(f"/v1/executions?function={FIBOA}&status=pending&status=locked&status=blocked&limit=1")
POLL_SECONDS = 0.1
BUSY = "while True: pass"
POLLER = """
s = support.join_set_create()
support.submit_delay(s, time.ScheduleAt_In(time.Duration_Hours(1)))
while True:
    try:
        support.join_next_try(s)
    except Err:
        pass
"""


def latency(servers: Servers, scale: Scale) -> list[Figure]:
    """FAIR: 10,000 submits of workflows of three steps over HTTP, and short workflows one after the other."""
    n = scale.count(10_000)
    with servers.run(COMPONENTS, {"history_events_max": 10_000_000}, STUB) as server:
        connection = server.connect()
        alone = _latencies(connection, lambda taken: len(taken) < scale.count(200))
        for text in (BUSY, POLLER):
            connection.ask(post("/v1/executions", {"function": SCRIPT, "params": [text]}))
        beside = _latencies(connection, lambda taken: len(taken) < scale.count(200))
        flood = threading.Thread(target=_flood, args=(server, n))
        flood.start()
        during = _latencies(connection, lambda _: flood.is_alive())
        flood.join()
        connection.close()
    return [
        *_figures("FAIR", during, 1_000),
        *_figures("FAIR without the flood", beside, None),
        *_figures("FAIR alone", alone, None),
    ]


def _flood(server: Server, count: int) -> None:
    ask_all(server.port, [submit(FIBOA, 10, 3, wait=False)] * count)
    connection = server.connect()
    while connection.ask(UNFINISHED)["items"]:
        time.sleep(POLL_SECONDS)
    connection.close()


def _latencies(connection: Connection, more: Callable[[list[float]], bool]) -> list[float]:
    taken: list[float] = []
    while more(taken) or not taken:
        begun = time.perf_counter()
        connection.ask(submit(SLEEP, 1))
        taken.append(1e3 * (time.perf_counter() - begun))
    return taken


def _figures(name: str, taken: list[float], target: float | None) -> list[Figure]:
    return [
        Figure(f"{name} p50", percentile(taken, 50), "ms"),
        Figure(f"{name} p99", percentile(taken, 99), "ms"),
        Figure(f"{name} max", max(taken), "ms", target),
    ]
