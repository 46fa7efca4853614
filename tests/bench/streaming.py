"""HTTP: bodies that stream through an activity written in Python, from and to a server of plain sockets."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager

from client import WAIT_SECONDS, post
from measuring import Meter, Scale
from report import Figure, median
from serving import PRODUCTS, Server, Servers

FETCH = "testing:fetcher/fetcher.fetch"
MIB = 1024 * 1024
_COMPONENTS = {"activity": (PRODUCTS / "fetcher.wasm",)}
_MORE = 'allowed_hosts = [{ pattern = "http://127.0.0.1:*" }]\nattempt_timeout = "5m"\n'
_TARGET = 10.0
"""MB/s."""


def streamed(servers: Servers, scale: Scale) -> list[Figure]:
    """10 MiB that come in; the same going on to another URL as they come; and how much the server grew by it."""
    runs = scale.runs(5)
    with _peer() as port, servers.run(_COMPONENTS, more=_MORE) as server:
        url = f"http://127.0.0.1:{port}"
        _rate(server, MIB, "pipe", f"{url}/{MIB}", url)
        before = server.memory_bytes()
        down = [_rate(server, 10 * MIB, "download", f"{url}/{10 * MIB}", "") for _ in range(runs)]
        piped = [_rate(server, 10 * MIB, "pipe", f"{url}/{10 * MIB}", url) for _ in range(runs)]
        grown = (server.memory_bytes() - before) / MIB
    return [
        median("HTTP in", down, "MB/s", _TARGET),
        median("HTTP in and out", piped, "MB/s", _TARGET),
        Figure("HTTP memory", grown, "MiB"),
    ]


def _rate(server: Server, count: int, *params: str) -> float:
    """Megabytes a second of an execution, its beginning and end included."""
    connection, meter = server.connect(), Meter(server)
    request = post("/v1/executions", {"function": FETCH, "params": params, "wait": WAIT_SECONDS})
    seconds = meter.seconds(1, lambda: connection.ask(request))
    connection.close()
    return count / 1e6 / seconds


@contextmanager
def _peer() -> Generator[int]:
    """The port of a server: `GET /N` is answered with N bytes, other requests are read to their end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_talk, args=(connection,), daemon=True).start()


def _talk(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as received:
        head = b""
        while (line := received.readline()) not in (b"\r\n", b""):
            head += line
        if head.startswith(b"GET"):
            count = int(head.split()[1][1:])
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % count)
            connection.sendall(bytes(count))
        else:
            while size := int(received.readline(), 16):
                received.read(size + 2)
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
