"""The store in one SQLite file: one writer thread with group commit, readers beside it."""

from obelisk_runtime.storage.sqlite.backup import back_up
from obelisk_runtime.storage.sqlite.checking import Checked, check_store
from obelisk_runtime.storage.sqlite.migrating import Migrated, migrate
from obelisk_runtime.storage.sqlite.store import SqliteStore

__all__ = ["Checked", "Migrated", "SqliteStore", "back_up", "check_store", "migrate"]
