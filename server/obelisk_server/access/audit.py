"""Who changed what: one line for each request that may change something, whether it did or was refused.

Lines go to a file of their own, which is bounded, or to the server's log; bodies and tokens are never in them.
"""

import logging
import logging.handlers
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from obelisk_server.access.callers import Caller

FILE_BYTES_MAX = 16 * 1024 * 1024
"""Then the file is renamed to `NAME.1` and a new one begun."""
FILES_KEPT = 4
TARGET_CHARACTERS_MAX = 200
REQUEST_ID = "X-Request-Id"
_log = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Audit:
    """Writes the lines."""

    def __init__(self, log: logging.Logger = _log, new_id: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._log = log
        self._new_id = new_id

    def request_id(self, headers: Mapping[str, str]) -> str:
        """The client's own, if it is one that can be written down; else a new one."""
        given = headers.get(REQUEST_ID, "")
        return given if _REQUEST_ID.fullmatch(given) else self._new_id()

    def write(self, caller: Caller | None, operation: str, target: str, outcome: str, **where: str) -> None:
        """`outcome`: the status of the answer, and of a refusal also its kind. `where`: address, request id."""
        fields = {
            "who": "-" if caller is None else caller.name,
            "operation": operation,
            "target": target[:TARGET_CHARACTERS_MAX],
            "outcome": outcome,
            **where,
        }
        self._log.info("audit", extra=fields)


def open_audit_log(file: Path, form: logging.Formatter) -> Callable[[], None]:
    """Let audit lines go to this file, and no longer to the server's log, until the result is called.

    Raises: OSError.
    """
    handler = logging.handlers.RotatingFileHandler(
        file, maxBytes=FILE_BYTES_MAX, backupCount=FILES_KEPT, encoding="utf-8"
    )
    handler.setFormatter(form)
    _log.addHandler(handler)
    _log.propagate = False

    def close() -> None:
        _log.propagate = True
        _log.removeHandler(handler)
        handler.close()

    return close
