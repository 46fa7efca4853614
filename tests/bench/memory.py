"""W5: what a sleeping workflow holds of the server's memory, in memory and evicted."""

import time

from client import SLEEP, Connection, ask_all, get, submit
from measuring import Scale
from report import Figure
from serving import PRODUCTS, TINY, Server, Servers

ASLEEP_MILLISECONDS = 24 * 3_600 * 1_000
POLL_SECONDS = 0.2
SLEEPER_PY = {"workflow": (PRODUCTS / "sleeper_py.wasm",)}
QUICKLY_EVICTED = {"resident_seconds": 1}


def asleep(servers: Servers, scale: Scale) -> list[Figure]:
    n = scale.count(2_000)
    with servers.run(TINY) as server:
        tiny = _growth(server, n)
    with servers.run(SLEEPER_PY) as server:
        python = _growth(server, scale.count(200))
    with servers.run(TINY, QUICKLY_EVICTED) as server:
        first = _growth(server, n, evicted=True)
        evicted = _growth(server, n, evicted=True)
    return [
        Figure("W5 hot", tiny, "kB/workflow", 40),
        Figure("W5 Python hot", python, "kB/workflow"),
        Figure("W5 evicted", evicted, "kB/workflow", 2, (first, evicted)),
    ]


def _growth(server: Server, n: int, *, evicted: bool = False) -> float:
    """Kilobytes for each of n more workflows that sleep. What the first few need is not theirs."""
    connection = server.connect()
    _sleep(server, connection, 20, evicted=evicted)
    before = server.memory_bytes()
    _sleep(server, connection, n, evicted=evicted)
    return (server.memory_bytes() - before) / n / 1_000


def _sleep(server: Server, connection: Connection, n: int, *, evicted: bool) -> None:
    """Returns when all of them rest."""
    ask_all(server.port, [submit(SLEEP, ASLEEP_MILLISECONDS, wait=False)] * n)
    busy = get("/v1/executions?status=pending&status=locked&limit=1")
    while connection.ask(busy)["items"]:
        time.sleep(POLL_SECONDS)
    while evicted and any(item["executor"] for item in server.executions("status=blocked")):
        time.sleep(POLL_SECONDS)
