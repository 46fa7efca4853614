"""Who changed what: one line for each request that may change something, and for each that was refused at the door.

Lines go to a file of their own, or to the server's log; parameters, results, code and tokens are never in them. A line
that the file cannot take, on a full disk for instance, goes to the server's log as an error, and the request goes on:
what was done is done, and a server that stops working because of its audit log would be the easier one to attack.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from obelisk_server.access.audit_file import AuditFile

TEXT_CHARACTERS_MAX = 2_048
"""Of a target, and of what was asked for; the rest is cut."""
STRANGERS_MAX = 100
"""Lines in a window about requests of nobody known: who floods the server must not push out what others did."""
WINDOW = 60 * 1_000_000
"""Microseconds."""
NOBODY = "-"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What a line says, beside when it was."""

    who: str
    """The name of a token; `local` or `anonymous` where there are none; NOBODY; `SIGHUP`."""
    operation: str
    outcome: str
    """The status of the answer, and of a refusal also its kind."""
    target: str = NOBODY
    """The path, without the query."""
    address: str = NOBODY
    request_id: str = NOBODY
    asked: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What of the body may be written down, such as the filter of a bulk operation."""
    executions: Sequence[str] = ()
    """Those that were created, or changed where the target does not say which."""

    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "who": self.who,
            "address": self.address,
            "operation": self.operation,
            "target": self.target[:TEXT_CHARACTERS_MAX],
            "outcome": self.outcome,
            "request_id": self.request_id,
        }
        if self.asked:
            found["asked"] = _bounded(self.asked)
        if self.executions:
            found["executions"] = list(self.executions)
        return found


class Audit:
    """Writes the lines."""

    def __init__(self, now: Callable[[], int] = lambda: 0, file: AuditFile | None = None) -> None:
        """`now`: microseconds. Without a file lines go to the server's log."""
        self._now = now
        self._file = file
        self._window = 0
        self._strangers = 0
        """Lines about strangers in this window, those that were not written included."""
        self.misses = 0
        """Lines that the file could not take."""

    def write(self, deed: Deed) -> None:
        now = self._now()
        if not 0 <= now - self._window < WINDOW:
            self._sum_up()
            self._window = now
        if deed.who == NOBODY:
            self._strangers += 1
            if self._strangers > STRANGERS_MAX:
                return
        self._put(now, deed.fields())

    def reopen(self) -> None:
        """After somebody moved the file away. Raises: OSError, and then the old one is still written."""
        if self._file is not None:
            self._file.reopen()

    def close(self) -> None:
        self._sum_up()
        if self._file is not None:
            self._file.close()

    def _sum_up(self) -> None:
        """Say how many requests of strangers have no line."""
        left_out, self._strangers = self._strangers - STRANGERS_MAX, 0
        if left_out > 0:
            self._put(self._now(), {"who": NOBODY, "operation": NOBODY, "left_out": left_out})

    def _put(self, now: int, fields: Mapping[str, Any]) -> None:
        if self._file is None:
            _log.info("audit", extra=fields)
            return
        at = datetime.fromtimestamp(now / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            self._file.append(json.dumps({"at": at, **fields}).encode() + b"\n")
        except OSError as error:
            self.misses += 1
            reason = error.strerror or str(error)
            _log.error("the audit log cannot be written; its line is here", extra={"reason": reason, **fields})


def _bounded(asked: Mapping[str, Any]) -> Mapping[str, Any] | str:
    text = json.dumps(asked)
    return asked if len(text) <= TEXT_CHARACTERS_MAX else text[:TEXT_CHARACTERS_MAX]
