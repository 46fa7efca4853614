"""A client of the HTTP API that costs next to nothing itself: bare sockets, kept alive."""

import json
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

WAIT_SECONDS = 300
FIBOA = "testing:fibo-workflow/workflow.fiboa"
FIBOA_CONCURRENT = "testing:fibo-workflow/workflow.fiboa-concurrent"
SLEEP = "testing:sleeper/sleeper.sleep"


class Refused(Exception):
    """The server answered with an error."""


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(target: str, fields: dict[str, Any]) -> bytes:
    body = json.dumps(fields).encode()
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST {target} HTTP/1.1\r\n{head}\r\n\r\n".encode() + body


def submit(function: str, *params: int, wait: bool = True) -> bytes:
    """The request that starts an execution, and is answered when it has ended if it waits for that."""
    fields: dict[str, Any] = {"function": function, "params": params}
    if wait:
        fields["wait"] = WAIT_SECONDS
    return post("/v1/executions", fields)


class Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def ask(self, request: bytes) -> Any:
        """Raises: Refused."""
        self.socket.sendall(request)
        while True:
            answer = self.read()
            if answer is not None:
                return answer

    def read(self) -> Any | None:
        """The answer if what has come now completes it. Raises: Refused, ConnectionError."""
        chunk = self.socket.recv(262_144)
        if not chunk:
            raise ConnectionResetError("the server closed the connection")
        self._received += chunk
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return None
        self._received = b""
        if head[9:10] != b"2":
            raise Refused(body.decode())
        return json.loads(body)

    def close(self) -> None:
        self.socket.close()


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


def ask_all(port: int, requests: Sequence[bytes], connections: int = 32) -> list[Any]:
    """The answers, in the order they came, to requests that are sent over some connections, each when it is free."""
    answers: list[Any] = []
    waiting = iter(requests)
    with selectors.DefaultSelector() as selector:

        def send_next(connection: Connection) -> None:
            request = next(waiting, None)
            if request is None:
                selector.unregister(connection.socket)
                connection.close()
            else:
                connection.socket.sendall(request)

        for _ in range(min(connections, len(requests))):
            connection = Connection(port)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            send_next(connection)
        while len(answers) < len(requests):
            for key, _ in selector.select():
                answer = key.data.read()
                if answer is not None:
                    answers.append(answer)
                    send_next(key.data)
    return answers


@dataclass(frozen=True)
class Stretch:
    """What a client saw for a while; seconds."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


class Stream:
    """The same request over and over, over some connections, each of which sends again when it was answered."""

    def __init__(self, port: int, request: bytes, connections: int = 32) -> None:
        self._request = request
        self._connections = [Connection(port) for _ in range(connections)]

    def run(self, ended: Callable[[float], bool]) -> Stretch:
        """Until `ended`, which is told when it began, says so, and all requests are answered."""
        begun = latest = time.perf_counter()
        latencies, sent = list[float](), dict[Connection, float]()
        with selectors.DefaultSelector() as selector:
            for connection in self._connections:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                sent[connection] = time.perf_counter()
                connection.socket.sendall(self._request)
            while sent:
                for key, _ in selector.select():
                    if key.data.read() is None:
                        continue
                    now = time.perf_counter()
                    latencies.append(now - sent.pop(key.data))
                    latest = now
                    if not ended(begun):
                        sent[key.data] = now
                        key.data.socket.sendall(self._request)
        return Stretch(latest - begun, latencies)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
