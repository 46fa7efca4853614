"""Fixtures of the kit. Who collects it gives the fixture `backend`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from obelisk_runtime.ports.store import Store
from obelisk_runtime.testing.backends import Backend
from obelisk_runtime.testing.conformance.checks import CheckedStore, check, dump


@pytest_asyncio.fixture
async def raw_store(backend: Backend, tmp_path: Path) -> AsyncIterator[Store]:
    """A new store, checked at the end: for tests with many writes."""
    store = await backend.open(tmp_path, None)
    try:
        yield store
        check(await dump(store))
    finally:
        await store.close()


@pytest_asyncio.fixture
async def store(raw_store: Store) -> Store:
    """A new store, checked after every write."""
    return CheckedStore(raw_store)


Reopen = Callable[[], Awaitable[Store]]


@pytest_asyncio.fixture
async def reopen(backend: Backend, tmp_path: Path) -> AsyncIterator[Reopen]:
    """Close the store, if it is open, and open the same one."""
    if not backend.durable:
        pytest.skip(f"{backend.name} keeps nothing")
    opened: list[Store] = []

    async def close_and_open() -> Store:
        if opened:
            await opened[-1].close()
        opened.append(await backend.open(tmp_path, None))
        return opened[-1]

    yield close_and_open
    if opened:
        check(await dump(opened[-1]))
        await opened[-1].close()
