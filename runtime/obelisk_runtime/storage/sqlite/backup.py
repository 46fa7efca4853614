"""A copy of a store at one moment, beside a server that goes on committing."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from obelisk_runtime.ports.store import StoreCorrupt, StoreUnavailable
from obelisk_runtime.storage.sqlite.opening import opening_error
from obelisk_runtime.storage.sqlite.private import make_private
from obelisk_runtime.storage.sqlite.schema import APPLICATION_ID


def back_up(source: Path, target: Path) -> None:
    """Copy the store in `source` to the new file `target`, durably. Nobody else is held up: it reads one snapshot.

    `target` comes into being when it is complete; a copy that was cut off leaves only a `.part` beside it, which the
    next one replaces. Raises: StoreUnavailable, StoreCorrupt.
    """
    part = target.with_name(target.name + ".part")
    if target.exists():
        raise StoreUnavailable(f"{target} exists already; choose another file")
    try:
        part.unlink(missing_ok=True)
        make_private(part)
        _copy(source, part)
        _settle(part)
        os.link(part, target)  # refuses to replace a file that came into being meanwhile
        part.unlink()
        _settle(target.parent)
    except OSError as error:
        raise StoreUnavailable(f"cannot write {target}: {error.strerror}") from error


def uri_to_read(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, also while a server has the store. Raises: StoreUnavailable, StoreCorrupt."""
    try:
        connection = sqlite3.connect(uri_to_read(path), uri=True, isolation_level=None)
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise opening_error(path, error) from error
    if application != APPLICATION_ID:
        connection.close()
        raise StoreCorrupt(f"{path} is no store")
    return connection


def _copy(source: Path, part: Path) -> None:
    try:
        with closing(open_to_read(source)) as reader, closing(sqlite3.connect(part)) as writer:
            reader.backup(writer)
            writer.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StoreUnavailable(f"cannot copy {source} to {part}: {error}") from error


def _settle(path: Path) -> None:
    """Until it is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
