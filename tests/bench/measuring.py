"""How much of everything a run does, and what a stretch of work costs in time and processor time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from report import Figure
from serving import Server

T = TypeVar("T")


@dataclass(frozen=True)
class Scale:
    """A full run, or one that only shows that everything works."""

    short: bool

    def count(self, full: int) -> int:
        return max(2, full // 20) if self.short else full

    def runs(self, full: int) -> int:
        return 1 if self.short else full


class Meter:
    """Adds up the processor time of the server, and of this process, over some runs of a number of units each."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._units = 0
        self._server_seconds = 0.0
        self._client_seconds = 0.0

    def seconds(self, units: int, work: Callable[[], T]) -> float:
        """Wall time of the work."""
        server, client, started = self._server.cpu_seconds(), time.process_time(), time.perf_counter()
        work()
        elapsed, client = time.perf_counter() - started, time.process_time() - client
        self._units += units
        self._server_seconds += self._server.cpu_seconds() - server
        self._client_seconds += client
        return elapsed

    def figures(self, name: str, unit: str) -> list[Figure]:
        return [
            Figure(f"{name} server cpu", 1e6 * self._server_seconds / self._units, f"us/{unit}"),
            Figure(f"{name} client cpu", 1e6 * self._client_seconds / self._units, f"us/{unit}"),
        ]
