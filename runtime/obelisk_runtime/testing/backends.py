"""Stores by name, for the conformance kit: how one is opened, and what can be asked of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from obelisk_runtime.ports.store import Store
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.storage.sqlite import SqliteStore

Hook = Callable[[str], None]
"""Called in the middle of a writing transaction with the name of the place: before each statement and before the
commit, on any thread. If it raises, the transaction leaves nothing behind and its awaitable raises."""

Open = Callable[[Path, Hook | None], Awaitable[Store]]
"""Open the store in a folder, a new one if the folder is empty."""


@dataclass(frozen=True, slots=True)
class Backend:
    name: str
    open: Open
    durable: bool = True
    """Whether a store that was closed is there again when its folder is opened."""
    hooks: bool = True
    """Whether it calls the hook."""


async def open_memory(folder: Path, hook: Hook | None = None) -> Store:  # noqa: ARG001 - the form of all factories
    return MemoryStore()


async def open_sqlite(folder: Path, hook: Hook | None = None) -> Store:
    return await SqliteStore.open(folder / "obelisk.sqlite", hook=hook)


memory = Backend("memory", open_memory, durable=False, hooks=False)
sqlite = Backend("sqlite", open_sqlite)
_OURS = {backend.name: backend for backend in (memory, sqlite)}


def load(reference: str) -> Backend:
    """The backend at `module:attribute`: a `Backend`, or a function like `Open`, which is durable and has hooks.

    `memory` and `sqlite` are those of this package.
    """
    if reference in _OURS:
        return _OURS[reference]
    module, _, attribute = reference.partition(":")
    found: Any = getattr(import_module(module), attribute)
    return found if isinstance(found, Backend) else Backend(reference, found)
