"""Components in registries for the event loop: nothing here blocks it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from obelisk_runtime.registry.cache import CacheEntry, ContentCache
from obelisk_runtime.registry.pace import Pace
from obelisk_runtime.registry.pulling import Described, OnProgress, Pulled, Puller, no_progress
from obelisk_runtime.registry.pushing import Publication, push, push_signature
from obelisk_runtime.registry.reference import Reference
from obelisk_runtime.registry.settings import RegistrySettings

T = TypeVar("T")
CLOSE_SECONDS_MAX = 1.0


class OciComponents:
    """At most `transfers_max` operations at once; close it with `async with`."""

    def __init__(self, settings: RegistrySettings, cache: Path, environ: Mapping[str, str], pace: Pace) -> None:
        self._settings = settings
        self._cache = ContentCache(cache)
        self._puller = Puller(settings, self._cache, environ, pace)
        self._pace = pace
        self._slots = asyncio.Semaphore(settings.limits.transfers_max)
        self._running: set[asyncio.Future[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Work whose caller was cancelled stops at its next chunk; a registry that stalls is not waited for."""
        self._pace.stopped.set()
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_SECONDS_MAX)

    async def pull(self, reference: Reference, on_progress: OnProgress = no_progress) -> Pulled:
        """Verified bytes. Raises: ComponentUnavailable."""
        return await self._in_thread(lambda: self._puller.pull(reference, on_progress))

    async def resolve(self, reference: Reference) -> Reference:
        """With the digest that the tag has now. Raises: ComponentUnavailable."""
        return await self._in_thread(lambda: self._puller.resolve(reference))

    async def describe(self, reference: Reference) -> Described:
        """What it tells about itself; the component is not pulled. Raises: ComponentUnavailable."""
        return await self._in_thread(lambda: self._puller.describe(reference))

    async def push(
        self, reference: Reference, publication: Publication, on_progress: OnProgress = no_progress
    ) -> Reference:
        """Pinned to what was pushed. Raises: ComponentUnavailable."""
        limits = self._settings.limits
        return await self._in_thread(lambda: push(self._puller, reference, publication, limits, on_progress))

    async def sign(self, reference: Reference, private_key: bytes, password: bytes | None) -> Reference:
        """Pinned to what was signed. Raises: ComponentUnavailable."""
        return await self._in_thread(lambda: push_signature(self._puller, reference, private_key, password))

    async def check_signature(self, pinned: Reference) -> None:
        """By a key of the policy, whether it requires one or not. Raises: ComponentUnavailable."""
        await self._in_thread(lambda: self._puller.check_signature(pinned))

    async def cached(self) -> list[CacheEntry]:
        """Raises: CacheUnusable."""
        return await self._in_thread(self._cache.entries)

    async def prune(self, unused_since: float, now: float) -> list[CacheEntry]:
        """Raises: CacheUnusable."""
        return await self._in_thread(lambda: self._cache.prune(unused_since, now))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """In a thread that does not keep the process from ending, as those of a pool do."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            settle: Callable[[], None]
            try:
                result = work()
                settle = lambda: done.set_result(result)  # noqa: E731 - called in the loop
            except BaseException as error:  # noqa: BLE001 - handed on to who awaits it
                failure = error
                settle = lambda: done.set_exception(failure)  # noqa: E731 - called in the loop
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle)

        async with self._slots:
            self._running.add(done)
            done.add_done_callback(self._end)
            threading.Thread(target=run, name="registry", daemon=True).start()
            return await asyncio.shield(done)

    def _end(self, done: asyncio.Future[Any]) -> None:
        self._running.discard(done)
        done.exception()  # it is known, also if its caller was cancelled
