"""One server a store: an OS lock on a file beside it, held for life. The kernel frees it when the process ends."""

import fcntl
import os
from pathlib import Path

from obelisk_runtime.ports.store import StoreInUse, StoreUnavailable


class LockFile:
    """The lock on `<store>.lock`, whose content is the holder's process id."""

    def __init__(self, store: Path) -> None:
        """Take it. Raises: StoreInUse, StoreUnavailable."""
        path = store.with_name(store.name + ".lock")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"cannot open {path}: {error.strerror}; check the folder's permissions") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            who = f"the server with process id {holder}" if holder else "another server"
            raise StoreInUse(f"{store} is in use by {who}; stop it or choose another file") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
