import json
import logging
import subprocess
import sys
from pathlib import Path

from obelisk_runtime.core.secrets import Redactor, Secret
from obelisk_server.log_lines import JsonLines, TextLines


def record(**fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "obelisk", "levelname": "INFO", "msg": "something happened", "created": 1.5})
    vars(made).update(fields)
    return made


def test_a_line_of_text_has_the_message_and_its_fields() -> None:
    assert TextLines().format(record(count=2)) == "1970-01-01T00:00:01.500000Z INFO    something happened count=2"


def test_a_line_of_json_has_each_field_by_its_name() -> None:
    assert json.loads(JsonLines().format(record(count=2, path="/ä"))) == {
        "at": "1970-01-01T00:00:01.500000Z",
        "level": "info",
        "logger": "obelisk",
        "message": "something happened",
        "count": 2,
        "path": "/ä",
    }


def test_nobody_writes_a_line_of_their_own_or_steers_a_terminal() -> None:
    for form in (TextLines(), JsonLines()):
        line = form.format(record(path="/x\n1970 ERROR forged\r\x1b[2J"))
        assert "\n" not in line
        assert "\r" not in line
        assert "\x1b" not in line
        assert "forged" in line


def test_secrets_are_taken_out_once_they_are_known_also_of_tracebacks() -> None:
    try:
        int('s3cret/"value\x1b[2J')
    except ValueError:
        failed = record(exc_info=sys.exc_info(), path='s3cret/"value')
    for form in (TextLines(), JsonLines()):
        form.redact = Redactor({"TOKEN": Secret(b's3cret/"value')}).redact
        line = form.format(failed)
        assert line.count("[secret TOKEN]") == 3
        assert "s3cret" not in line
        assert "\x1b" not in line


def test_an_exception_is_shown_with_its_traceback() -> None:
    try:
        int("why")
    except ValueError:
        failed = record(exc_info=sys.exc_info())
    assert TextLines().format(failed).endswith("'why'")
    assert json.loads(JsonLines().format(failed))["exception"].endswith("'why'")


ON_A_FULL_DISK = r"""
import logging, resource
from obelisk_server.config import LogFormat
from obelisk_server.log_lines import configure_log
configure_log(LogFormat.TEXT)
logging.warning("there is room")
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
logging.warning("there is none")
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
logging.warning("there is room again: \ud800")
"""


def test_a_line_that_cannot_be_written_is_lost_and_changes_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        ended = subprocess.run([sys.executable, "-c", ON_A_FULL_DISK], stderr=file, check=False)
    assert ended.returncode == 0
    lines = log.read_text(encoding="utf-8").splitlines()
    assert [line.split("WARNING ")[1] for line in lines] == ["there is room", "there is room again: \\ud800"]


def test_a_log_that_ends_on_a_full_disk_does_not_change_the_exit_code() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", ON_A_FULL_DISK], stderr=full, check=False)
    assert ended.returncode == 0
