"""The store in one SQLite file: one writer thread with group commit, readers beside it."""

from obelisk_runtime.storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
