"""W5: what a sleeping workflow holds of the server's memory, in memory and evicted."""

import time

from client import SLEEP, Connection, ask_all, get, post, submit
from measuring import Scale
from report import Figure
from serving import PRODUCTS, TINY, Server, Servers

POLL_SECONDS = 0.2
NAP = submit(SLEEP, 24 * 3_600 * 1_000, wait=False)
WELCOME = {"workflow": (PRODUCTS / "welcome.wasm",)}
GREETING = """
[[stub]]
function = "app:greeting/greeting.greet"
params = "func(name: string) -> result<string, string>"
"""
"""What the workflow in Python awaits after a second, and nobody answers."""
WAIT = post("/v1/executions", {"function": "app:welcome/welcome.welcome", "params": ["Ann"]})
QUICKLY_EVICTED = {"resident_seconds": 1}


def asleep(servers: Servers, scale: Scale) -> list[Figure]:
    n = scale.count(2_000)
    with servers.run(TINY) as server:
        tiny = _growth(server, n)
    with servers.run(WELCOME, more=GREETING) as server:
        python = _growth(server, scale.count(200), WAIT)
    with servers.run(TINY, QUICKLY_EVICTED) as server:
        first = _growth(server, n, evicted=True)
        evicted = _growth(server, n, evicted=True)
    return [
        Figure("W5 hot", tiny, "kB/workflow", 40),
        Figure("W5 Python hot", python, "kB/workflow"),
        Figure("W5 evicted", evicted, "kB/workflow", 2, (first, evicted)),
    ]


def _growth(server: Server, n: int, rest: bytes = NAP, *, evicted: bool = False) -> float:
    """Kilobytes for each of n more workflows that sleep. What the first few need is not theirs."""
    connection = server.connect()
    _sleep(server, connection, [rest] * 20, evicted=evicted)
    before = server.memory_bytes()
    _sleep(server, connection, [rest] * n, evicted=evicted)
    return (server.memory_bytes() - before) / n / 1_000


def _sleep(server: Server, connection: Connection, requests: list[bytes], *, evicted: bool) -> None:
    """Returns when all of them rest."""
    ask_all(server.port, requests)
    busy = get("/v1/executions?status=pending&status=locked&limit=1")
    while connection.ask(busy)["items"]:
        time.sleep(POLL_SECONDS)
    while evicted and any(item["executor"] for item in server.executions("status=blocked")):
        time.sleep(POLL_SECONDS)
