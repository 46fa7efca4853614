"""Components in registries for the event loop: nothing here blocks it."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from obelisk_runtime.registry.cache import CacheEntry, ContentCache
from obelisk_runtime.registry.pace import Pace
from obelisk_runtime.registry.pulling import Described, OnProgress, Pulled, Puller, no_progress
from obelisk_runtime.registry.pushing import Publication, push, push_signature
from obelisk_runtime.registry.reference import Reference
from obelisk_runtime.registry.settings import RegistrySettings

T = TypeVar("T")


class OciComponents:
    """At most `transfers_max` operations at once; close it with `async with`."""

    def __init__(self, settings: RegistrySettings, cache: Path, environ: Mapping[str, str], pace: Pace) -> None:
        self._settings = settings
        self._cache = ContentCache(cache)
        self._puller = Puller(settings, self._cache, environ, pace)
        self._threads = ThreadPoolExecutor(settings.limits.transfers_max, thread_name_prefix="registry")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def pull(self, reference: Reference, on_progress: OnProgress = no_progress) -> Pulled:
        """Verified bytes. Raises: ComponentUnavailable."""
        return await self._in_thread(lambda: self._puller.pull(reference, on_progress))

    async def resolve(self, reference: Reference) -> Reference:
        """With the digest that the tag has now. Raises: ComponentUnavailable."""
        return await self._in_thread(lambda: self._puller.resolve(reference))

    async def describe(self, reference: Reference) -> Described:
        """What it tells about itself; the component is not pulled. Raises: ComponentUnavailable."""
        return await self._in_thread(lambda: self._puller.describe(reference))

    async def push(self, reference: Reference, publication: Publication) -> Reference:
        """Pinned to what was pushed. Raises: ComponentUnavailable."""
        return await self._in_thread(lambda: push(self._puller, reference, publication, self._settings.limits))

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
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
