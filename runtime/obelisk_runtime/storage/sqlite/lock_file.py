"""One server a store: an OS lock on a file beside it, held for life. The kernel frees it when the process ends."""

import fcntl
import os
from pathlib import Path

from obelisk_runtime.ports.store import StoreInUse, StoreUnavailable
from obelisk_runtime.storage.sqlite.private import PRIVATE


class LockFile:
    """The lock on `<store>.lock`, whose content is the holder's process id."""

    def __init__(self, store: Path) -> None:
        """Take it. Raises: StoreInUse, StoreUnavailable."""
        self._path = store.with_name(store.name + ".lock")
        self._descriptor = -1
        self._made = False
        while self._descriptor < 0:
            self._open()
            self._lock(store)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            try:
                self._descriptor, self._made = os.open(self._path, flags | os.O_EXCL, PRIVATE), True
            except FileExistsError:
                self._descriptor, self._made = os.open(self._path, flags, PRIVATE), False
        except OSError as error:
            text = f"cannot open {self._path}: {error.strerror}; check the folder's permissions"
            raise StoreUnavailable(text) from error

    def _lock(self, store: Path) -> None:
        """The descriptor stays open if the lock is ours, and of the file that has the name: `discard` may remove it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            self.release()
            who = f"the server with process id {holder}" if holder else "another server"
            raise StoreInUse(f"{store} is in use by {who}; stop it or choose another file") from error
        try:
            there = os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            there = False
        if not there:
            self.release()

    def discard(self) -> None:
        """There is no store to lock: release it, and leave no file that was not there before."""
        if self._made and self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
