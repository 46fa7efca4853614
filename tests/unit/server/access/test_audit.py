"""The audit log: what a line says, how large its file becomes, and what happens when it cannot be written."""

import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

from obelisk_server.access import NOBODY, Audit, AuditFile, Deed
from obelisk_server.access.audit import STRANGERS_MAX, TEXT_CHARACTERS_MAX, WINDOW
from obelisk_server.access.audit_file import FILES_KEPT

FULL = Path("/dev/full")
"""Every write to it finds the disk full."""


class Now:
    at = 1_500_000

    def __call__(self) -> int:
        return self.at


def deed(operation: str = "cancel", who: str = "ci", **more: Any) -> Deed:
    return Deed(who=who, operation=operation, outcome="200", **more)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_line_says_when_who_what_and_how_it_ended(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    audit = Audit(Now(), AuditFile(file))
    more: dict[str, Any] = {"asked": {"filter": {"text": "a\nb"}}, "executions": ["E_1", "E_2"]}
    audit.write(deed(target="/v1/bulk/cancel", address="::1", request_id="r1", **more))
    audit.close()
    assert lines(file) == [
        {
            "at": "1970-01-01T00:00:01.500000Z",
            "who": "ci",
            "operation": "cancel",
            "outcome": "200",
            "target": "/v1/bulk/cancel",
            "address": "::1",
            "request_id": "r1",
            **more,
        }
    ]


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    AuditFile(tmp_path / "audit.log").close()
    assert stat.S_IMODE((tmp_path / "audit.log").stat().st_mode) == 0o600


def test_a_long_target_and_a_long_filter_are_cut(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    Audit(Now(), AuditFile(file)).write(deed(target="/" * 9_000, asked={"filter": {"text": "x" * 9_000}}))
    (line,) = lines(file)
    assert (len(line["target"]), len(line["asked"])) == (TEXT_CHARACTERS_MAX, TEXT_CHARACTERS_MAX)


def test_files_have_a_size_and_a_number_and_the_oldest_lines_go(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.log", bytes_max=100)
    for number in range(40):
        file.append(f"{number:019}\n".encode())
    file.close()
    found = sorted(tmp_path.iterdir())
    assert len(found) == FILES_KEPT + 1
    assert all(path.stat().st_size == 100 for path in found)
    oldest_first = sorted(found, key=lambda path: path.suffix, reverse=True)
    written = [int(line) for path in oldest_first for line in path.read_text().split()]
    assert sorted(written) == list(range(15, 40))
    assert (tmp_path / "audit.log").read_text().split()[-1] == f"{39:019}"


def test_a_line_longer_than_a_file_is_written_all_the_same(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.log", bytes_max=10)
    file.append(b"x" * 50 + b"\n")
    file.append(b"y\n")
    file.close()
    assert (tmp_path / "audit.log.1").read_bytes() == b"x" * 50 + b"\n"
    assert (tmp_path / "audit.log").read_bytes() == b"y\n"


def test_a_file_that_was_moved_away_is_written_until_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    file = AuditFile(path)
    path.rename(tmp_path / "moved")
    file.append(b"before\n")
    file.reopen()
    file.append(b"after\n")
    file.close()
    assert (tmp_path / "moved").read_bytes() == b"before\n"
    assert path.read_bytes() == b"after\n"


def test_a_file_that_cannot_be_opened_again_is_not_given_up(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    file = AuditFile(path)
    path.rename(tmp_path / "moved")
    path.mkdir()
    with pytest.raises(OSError, match=r"audit\.log"):
        file.reopen()
    file.append(b"still\n")
    file.close()
    assert (tmp_path / "moved").read_bytes() == b"still\n"


def test_on_a_full_disk_lines_go_to_the_log_as_errors_and_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    audit = Audit(Now(), AuditFile(FULL))
    audit.write(deed(target="/v1/import", executions=["E_1"]))
    (record,) = caplog.records
    fields = vars(record)
    assert (record.levelno, fields["reason"], audit.misses) == (logging.ERROR, "No space left on device", 1)
    assert (fields["who"], fields["operation"], fields["executions"]) == ("ci", "cancel", ["E_1"])


def test_without_a_file_lines_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Audit(Now()).write(deed())
    assert [(record.msg, vars(record)["who"]) for record in caplog.records] == [("audit", "ci")]


def test_who_floods_the_door_does_not_push_out_what_others_did(tmp_path: Path) -> None:
    file, now = tmp_path / "audit.log", Now()
    audit = Audit(now, AuditFile(file))
    for _ in range(STRANGERS_MAX + 7):
        audit.write(deed("submit", who=NOBODY))
    audit.write(deed("cancel"))
    assert [line["who"] for line in lines(file)] == [NOBODY] * STRANGERS_MAX + ["ci"]
    now.at += WINDOW
    audit.write(deed("submit", who=NOBODY))
    summed_up, again = lines(file)[-2:]
    assert (summed_up["left_out"], again["operation"]) == (7, "submit")
    for _ in range(STRANGERS_MAX):
        audit.write(deed("submit", who=NOBODY))
    audit.close()
    assert lines(file)[-1]["left_out"] == 1
