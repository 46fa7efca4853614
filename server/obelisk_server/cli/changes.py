"""Hints that something has changed, from a stream of the server; without one, from time that passes."""

import threading
from types import TracebackType
from typing import Self

from obelisk_server.cli.client import Client, Listening, Query
from obelisk_server.cli.failure import Exit, Failure

EVERY_SECONDS = 1.0
"""How often to look without a stream, and how soon to try to have one again."""
SILENCE_SECONDS_MAX = 45.0
"""A server sends a comment more often than this; a stream that is silent for longer is broken."""


class Changes:
    """A thread listens as long as this is entered. A stream that breaks is taken up again."""

    def __init__(self, client: Client, operation: str, query: Query) -> None:
        self._client, self._operation, self._query = client, operation, query
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._live: Listening | None = None
        self._thread = threading.Thread(target=self._run, name="changes", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: "type[BaseException] | BaseException | TracebackType | None") -> None:
        self._stopped.set()
        live = self._live
        if live is not None:
            live.hang_up()
        self._thread.join(EVERY_SECONDS)

    def wait(self) -> None:
        """Until something may have changed since this returned last."""
        self._news.wait(EVERY_SECONDS if self._live is None else None)
        self._news.clear()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except Failure as failure:
                if failure.code not in (Exit.UNREACHABLE, Exit.UNAVAILABLE, Exit.SERVER_FAILED):
                    return  # there is no such stream, or not for this token
            self._stopped.wait(EVERY_SECONDS)

    def _listen(self) -> None:
        """Until the stream breaks. Raises: Failure."""
        with self._client.listening(self._operation, self._query, SILENCE_SECONDS_MAX) as stream:
            self._live = stream
            try:
                self._news.set()  # what happened before is not told
                for line in stream:
                    if line.startswith(b"data:"):
                        self._news.set()
            finally:
                self._live = None
                self._news.set()  # whoever waits for it must not wait for ever
