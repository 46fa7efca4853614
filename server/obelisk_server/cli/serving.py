"""What `obelisk server run` and `verify` do; it imports all of a server, which `--help` does not need."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from obelisk_server import compose
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.progress import Bars
from obelisk_server.sources import Pulling


def run(config_file: Path, *, locked: bool) -> None:
    """Until SIGTERM or Ctrl-C. Raises: Failure."""
    with _pulling(locked=locked) as pulling:
        compose.run(config_file, os.environ, pulling)  # noqa: TID251 - the environment enters here


def verify(config_file: Path, *, locked: bool) -> compose.Verified:
    """Raises: Failure."""
    with _pulling(locked=locked) as pulling:
        return compose.verify(config_file, os.environ, pulling)  # noqa: TID251 - the environment enters here


@contextmanager
def _pulling(*, locked: bool) -> Generator[Pulling]:
    try:
        with Bars(sys.stderr) as bars:
            yield Pulling(locked, bars.bar)
    except compose.InvalidSetup as error:
        raise Failure(Exit.INVALID_SETUP, str(error), {"problems": list(error.problems)}) from error
    except compose.CannotServe as error:
        raise Failure(Exit.CANNOT_SERVE, str(error)) from error
