"""HOOK: an empty request to a webhook, with code and without, one at a time; and fifty slow ones at once."""

import re
import socket
import time
from pathlib import Path

from measuring import Scale
from report import Figure, median
from serving import PRODUCTS, Server, Servers

TARGETS = {"python": 5.0, "javascript": 2.5}
SLOW = 50
SLOW_SECONDS = 0.5
CONFIG = """
[webhooks]
listen = "127.0.0.1:0"
[[stub]]
function = "testing:approval/desk.decide"
params = "func(order: u64) -> result<bool, string>"
[[stub]]  # the guest in Python imports it
function = "testing:fibo/fibo.fibo"
params = "func(n: u8) -> result<u64>"
[[webhook]]
name = "declared"
function = "testing:approval/desk.decide"
routes = [{ path = "/declared/:order" }]
params = { order = "path.order" }
"""
COMPONENT = '[[webhook]]\nname = "{name}"\nlocation = "{location}"\nroutes = [{{ path = "/{name}/*" }}]\n'


class Client:
    """One connection that is kept alive."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, path: str) -> None:
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def receive(self) -> None:
        received = b""
        while not _complete(received):
            chunk = self._socket.recv(65_536)
            assert chunk, received
            received += chunk
        assert received.startswith(b"HTTP/1.1 20"), received

    def close(self) -> None:
        self._socket.close()


def _complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and (len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n"))


def handled(servers: Servers, scale: Scale) -> list[Figure]:
    found = {name: PRODUCTS / f"hook_{name}.wasm" for name in TARGETS}
    built = {name: location for name, location in found.items() if location.exists()}
    components = "".join(COMPONENT.format(name=name, location=location) for name, location in built.items())
    with servers.run({}, more=CONFIG + components) as server:
        port = _port(server)
        figures = [
            median(f"HOOK {name}", _milliseconds(port, f"/{name}/ping", scale.count(200)), "ms", TARGETS[name])
            for name in built
        ]
        figures.append(median("HOOK without code", _milliseconds(port, "/declared/1", scale.count(200)), "ms"))
        return figures + (_slow(server, port) if "python" in built else [])


def _milliseconds(port: int, path: str, n: int) -> list[float]:
    client = Client(port)
    times: list[float] = []
    for _ in range(n + 3):
        began = time.perf_counter()
        client.send(path)
        client.receive()
        times.append(1e3 * (time.perf_counter() - began))
    client.close()
    return times[3:]


def _slow(server: Server, port: int) -> list[Figure]:
    """Threads that come with requests that wait, and how long all of them take."""
    clients = [Client(port) for _ in range(SLOW)]
    before, began = _threads(server), time.perf_counter()
    for client in clients:
        client.send(f"/python/sleep?{SLOW_SECONDS}")
    time.sleep(SLOW_SECONDS / 2)
    threads = _threads(server) - before
    for client in clients:
        client.receive()
        client.close()
    elapsed = time.perf_counter() - began
    return [
        Figure(f"HOOK threads of {SLOW} slow", threads, "threads", 0.0),
        Figure(f"HOOK {SLOW} that sleep {SLOW_SECONDS} s", elapsed, "s"),
    ]


def _threads(server: Server) -> int:
    return len(list(Path(f"/proc/{server.pid}/task").iterdir()))


def _port(server: Server) -> int:
    while True:
        _, found, address = (server.folder / "output").read_text().partition("webhooks on http://")
        if found and "\n" in address:
            return int(address.split("\n")[0].rpartition(":")[2])
        time.sleep(0.002)
