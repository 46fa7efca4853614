"""Bringing a store to the schema of this release without serving it."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from obelisk_runtime.storage.sqlite.backup import open_to_read
from obelisk_runtime.storage.sqlite.lock_file import LockFile
from obelisk_runtime.storage.sqlite.opening import copy_of_schema, open_connection, schema_version


@dataclass(frozen=True, slots=True)
class Migrated:
    before: int
    after: int
    copy: Path | None
    """The file as it was before; None if there was nothing to do."""


def migrate(path: Path) -> Migrated:
    """As a server does when it starts; a store must be there.

    Raises: StoreInUse, StoreUnavailable, StoreCorrupt, SchemaTooNew.
    """
    with closing(open_to_read(path)) as reader:
        before = schema_version(reader, path)
    lock = LockFile(path)
    try:
        with closing(open_connection(path)) as connection:
            after = schema_version(connection, path)
    finally:
        lock.release()
    return Migrated(before, after, None if before == after else copy_of_schema(path, before))
