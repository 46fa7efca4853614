"""A world for guests in tests: all that they see follows from its arguments."""

import asyncio
import hashlib
from collections.abc import Sequence

from obelisk_runtime.core.deployment import DirectoryGrant
from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.ports.network import NetworkGrants


class ScriptedWorld:
    """A GuestWorld whose clocks move only by waiting, `tick_nanoseconds` less than was asked for: a coarse clock."""

    def __init__(
        self,
        environment: Sequence[tuple[str, str]] = (),
        *,
        directories: Sequence[DirectoryGrant] = (),
        seed: int = 0,
        started: Instant = Instant(1_700_000_000_123_456),  # noqa: B008 - an int
        tick_nanoseconds: int = 0,
        network: NetworkGrants | None = None,
    ) -> None:
        self.waits: list[int] = []
        self.written: list[tuple[str, bytes]] = []
        self.network = network
        self.requests: list[RequestMade] = []
        self._environment = environment
        self._directories = directories
        self._seed = seed
        self._draws = 0
        self._started = started
        self._passed = 0
        self._tick = tick_nanoseconds

    def wall_clock(self) -> Instant:
        return Instant(self._started + self._passed // 1_000)

    def monotonic(self) -> int:
        return self._passed

    def random_bytes(self, count: int) -> bytes:
        self._draws += 1
        return hashlib.shake_128(f"{self._seed}:{self._draws}".encode()).digest(count)

    async def wait(self, nanoseconds: int) -> None:
        self.waits.append(nanoseconds)
        await asyncio.sleep(0)
        self._passed += max(0, nanoseconds - self._tick)

    def environment(self) -> Sequence[tuple[str, str]]:
        return self._environment

    def directories(self) -> Sequence[DirectoryGrant]:
        return self._directories

    def requested(self, made: RequestMade) -> None:
        self.requests.append(made)

    def write(self, source: str, data: bytes) -> None:
        self.written.append((source, data))

    def text(self, source: str) -> str:
        """Everything written to `stdout` or `stderr`."""
        return b"".join(data for name, data in self.written if name == source).decode()
