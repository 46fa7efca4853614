"""Opening the file: its connection, its schema, and what can be wrong with it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.ports.store import SchemaTooNew, StoreCorrupt, StoreUnavailable
from obelisk_runtime.storage.sqlite.private import make_private
from obelisk_runtime.storage.sqlite.schema import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS = 5.0
"""How long to wait for somebody who holds the file's write lock, as an open `sqlite3` shell does."""
PAGE_BYTES = 2_048
"""Half of what is usual: a step touches five pages, and every table and index takes one from the start."""
STATEMENTS_CACHED = 256
CHECKED_BYTES_MAX = 16 << 20
"""A file up to this size is checked in full when it is opened; in a larger one damage shows when it is read."""
_CHECK = "check the permissions of the file and its folder, and the disk"
_RESTORE = "restore it from a backup, or move it away to begin with an empty store"


def open_connection(path: Path) -> sqlite3.Connection:
    """The writer's connection, migrated; the folder is made if it is missing.

    Raises: StoreUnavailable, StoreCorrupt, SchemaTooNew.
    """
    connection: sqlite3.Connection | None = None
    try:
        make_private(path)
    except OSError as error:
        raise StoreUnavailable(f"cannot open {path}: {error.strerror}; {_CHECK}") from error
    try:
        connection = sqlite3.connect(
            path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=STATEMENTS_CACHED,
        )
        _prepare(connection, path)
    except (sqlite3.Error, ObeliskError) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, ObeliskError):
            raise
        raise opening_error(path, error) from error
    return connection


def opening_error(path: Path, error: sqlite3.Error) -> ObeliskError:
    if _code(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreCorrupt(f"{path} is not a store or is damaged ({error}); {_RESTORE}")
    return StoreUnavailable(f"cannot open {path}: {error}; {_CHECK}")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    found = schema_version(connection, path)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # see `checkpoints`
    if found and path.stat().st_size <= CHECKED_BYTES_MAX:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StoreCorrupt(f"{path} is damaged ({verdict}); {_RESTORE}")
    if found < len(MIGRATIONS):
        _migrate(connection, path, found)
    # Takes the write lock once: a file or folder that cannot be written is refused now, not at the first write.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def schema_version(connection: sqlite3.Connection, path: Path) -> int:
    """0 for an empty file. Raises: StoreCorrupt, SchemaTooNew."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION_ID and (tables or application or found):
        raise StoreCorrupt(f"{path} is a database of another program; choose another file")
    if found > len(MIGRATIONS):
        known = len(MIGRATIONS)
        raise SchemaTooNew(
            f"{path} has schema {found}, this release knows {known}; use the one that wrote it, or newer"
        )
    return found


def copy_of_schema(path: Path, version: int) -> Path:
    """Where a store is copied to before it leaves this schema."""
    return path.with_name(f"{path.name}.schema-{version}.backup")


def _migrate(connection: sqlite3.Connection, path: Path, found: int) -> None:
    if found:
        _back_up(connection, copy_of_schema(path, found))
    for version, script in enumerate(MIGRATIONS[found:], found + 1):
        numbers = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};"
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {script} {numbers} COMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _back_up(connection: sqlite3.Connection, path: Path) -> None:
    path.unlink(missing_ok=True)
    make_private(path)
    with closing(sqlite3.connect(path)) as copy:
        connection.backup(copy)
