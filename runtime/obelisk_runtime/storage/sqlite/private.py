"""Files that only their owner may read: the parameters and results of executions are in them."""

import os
from pathlib import Path

PRIVATE = 0o600


def make_private(path: Path) -> None:
    """Make the file if it is missing, before SQLite does, which gives its mode to what it puts beside it.

    Raises: OSError.
    """
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE))
