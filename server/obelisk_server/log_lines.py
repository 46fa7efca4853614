"""The server's own log on standard error: a constant message and fields, as text for people or JSON for machines."""

import io
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from obelisk_server.config import LogFormat
from obelisk_server.printable import visible

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_log(form: LogFormat) -> "Lines":
    """Once a process."""
    unbuffered = io.FileIO(sys.stderr.fileno(), "w", closefd=False)
    handler = UnfailingHandler(
        io.TextIOWrapper(unbuffered, encoding="utf-8", errors="backslashreplace", write_through=True)
    )
    lines = JsonLines() if form is LogFormat.JSON else TextLines()
    handler.setFormatter(lines)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    return lines


class UnfailingHandler(logging.StreamHandler[io.TextIOWrapper]):
    """A line that cannot be written, on a full disk or to a reader that is gone, is lost and stops nothing.

    Its stream keeps no bytes for later: Python ends with 120 if what a standard stream kept cannot be written.
    """

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Lines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__()
        self.redact: Callable[[str], str] = str
        """Takes out what nobody may see, as soon as it is known what that is."""

    def format(self, record: logging.LogRecord) -> str:
        return self.redact(self.line(record))

    def line(self, record: logging.LogRecord) -> str:
        raise NotImplementedError

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name that logging calls
        return visible(super().formatException(ei))


class TextLines(Lines):
    def line(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {name}={visible(str(value), kept='')}" for name, value in _fields(record).items())
        line = f"{_at(record)} {record.levelname:7} {visible(record.getMessage(), kept='')}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(Lines):
    def line(self, record: logging.LogRecord) -> str:
        line = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)
