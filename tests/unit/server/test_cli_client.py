"""The command line's client over real sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from obelisk_server.cli.client import Client

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'


@pytest.fixture
def impatient() -> Iterator[tuple[str, threading.Event]]:
    """The address of a server that answers once on a connection and closes it without a word, and when it has."""
    closed = threading.Event()

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            with connection:
                received = b""
                while not received.endswith(b"\r\n\r\n"):
                    received += connection.recv(1024)
                connection.sendall(ANSWER)
                connection.shutdown(socket.SHUT_RDWR)
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", closed
        serving.join()


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again(impatient: tuple[str, threading.Event]) -> None:
    address, closed = impatient
    with closing(Client(address)) as client:
        assert client.call("alive") == {"status": "ok"}
        assert closed.wait(20)
        assert client.call("alive") == {"status": "ok"}
