"""Clients that are told of changes as they come: each has a bounded list of what it has yet to be told of."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import Changed

FOLLOWERS_MAX = 256
BACKLOG_MAX = 1_000
"""Changed executions that a client has yet to be told of; beyond it, it has fallen behind."""

Subscribe = Callable[[Callable[[Changed], None]], Callable[[], None]]


class TooManyStreams(ObeliskError):
    def __init__(self) -> None:
        super().__init__(f"{FOLLOWERS_MAX} streams are open already; close one of them")


@dataclass(frozen=True, slots=True)
class News:
    """What has changed since it was asked last."""

    executions: tuple[ExecutionId, ...] = ()
    behind: bool = False
    """There was too much: it is not known what has changed."""


class Follower:
    """One client."""

    def __init__(self, wants: Callable[[ExecutionId], bool]) -> None:
        self.wants = wants
        self._changed: dict[ExecutionId, None] = {}
        self._behind = False
        self._news = asyncio.Event()
        self._end = asyncio.Event()

    def add(self, changed: Changed) -> None:
        self._changed.update((id_, None) for id_ in changed.executions if self.wants(id_))
        if len(self._changed) > BACKLOG_MAX:
            self._changed.clear()
            self._behind = True
        if self._changed or self._behind:
            self._news.set()

    @property
    def ended(self) -> bool:
        """The server stops."""
        return self._end.is_set()

    def end(self) -> None:
        self._end.set()
        self._news.set()

    async def rest(self, seconds: float) -> None:
        """Let changes gather; not when it has ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._end.wait()

    async def next(self, seconds: float) -> News:
        """All that has come, as soon as there is something, or it has ended, or after this long.

        It is complete up to the commit that the store told of last when this returns.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        news = News(behind=True) if self._behind else News(tuple(self._changed))
        self._changed.clear()
        self._behind = False
        if not self.ended:
            self._news.clear()
        return news


class Followers:
    """All of them. The store is listened to only while there is one."""

    def __init__(self, subscribe: Subscribe) -> None:
        self._subscribe = subscribe
        self._unsubscribe: Callable[[], None] = lambda: None
        self._all: set[Follower] = set()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._all)

    @contextmanager
    def follow(self, wants: Callable[[ExecutionId], bool]) -> Generator[Follower]:
        """Raises: TooManyStreams."""
        if len(self._all) >= FOLLOWERS_MAX:
            raise TooManyStreams
        follower = Follower(wants)
        if not self._all:
            self._unsubscribe = self._subscribe(self._on_change)
        self._all.add(follower)
        if self._stopped:
            follower.end()
        try:
            yield follower
        finally:
            self._all.discard(follower)
            if not self._all:
                self._unsubscribe()

    def _on_change(self, changed: Changed) -> None:
        for follower in self._all:
            follower.add(changed)

    def stop(self) -> None:
        """End every stream now, and those to come at once."""
        self._stopped = True
        for follower in self._all:
            follower.end()
