from pathlib import Path

import click
import pytest

from obelisk_server.cli.failure import Failure
from obelisk_server.cli.follow import children_text, state_text
from obelisk_server.cli.output import print_fields, print_table
from obelisk_server.cli.params import params_text, tags_of
from obelisk_server.cli.versions import difference_text
from obelisk_server.printable import visible


def test_text_of_a_guest_cannot_steer_the_terminal() -> None:
    assert visible("a\x1b[2Jb\r\x9bc\tä\n") == "a\\x1b[2Jb\\r\\x9bc\tä\n"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"status": "locked"}, "running"),
        ({"status": "pending", "due": "T"}, "pending, due T"),
        ({"status": "blocked", "join_set": "g:1", "remaining": 3}, "blocked on g:1 (3 more)"),
        ({"status": "blocked", "join_set": None, "remaining": 1}, "blocked on its children, to end (1 more)"),
        ({"status": "finished", "outcome": "timed-out"}, "finished: timed-out"),
        ({"status": "locked", "lifecycle": "paused"}, "paused, running"),
    ],
)
def test_where_an_execution_stands_is_said_in_words(fields: dict[str, object], text: str) -> None:
    assert state_text({"lifecycle": "active", **fields}) == text


@pytest.mark.parametrize(("finished", "text"), [(0, ""), (1, ", 1 child done"), (500, ", 500 children done")])
def test_children_are_told_of_only_if_there_are_any(finished: int, text: str) -> None:
    assert children_text(finished) == text


def test_params_are_sent_as_they_were_typed() -> None:
    text = '[18446744073709551615, 1.0, {"a": 1, "a": 2}]'
    assert params_text(text) == text


def test_params_nested_too_deep_are_refused() -> None:
    with pytest.raises(Failure, match="nested too deep"):
        params_text("[" * 100_000)


def test_params_of_a_file_that_is_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(Failure, match="cannot be read"):
        params_text(f"@{tmp_path / 'x'}")


def test_a_tag_may_have_an_equals_sign_in_its_value() -> None:
    assert tags_of(("a=b=c", "d=")) == {"a": "b=c", "d": ""}


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("A", "LONG"), [("wide cell", 1), ("x", 22)])
    assert capsys.readouterr().out == "A          LONG\nwide cell  1\nx          22\n"


def test_fields_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields([("id", "E_1"), ("parent", None), ("tags", {}), ("params", [1, "ä"])])
    assert capsys.readouterr().out == 'id      E_1\nparams  [1, "ä"]\n'


def test_fields_and_differences_of_others_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields([("text", "it is paused: x\x1b]0;y\a"), ("nested", {"a": "\x9b2J"})])
    assert capsys.readouterr().out == 'text    it is paused: x\\x1b]0;y\\x07\nnested  {"a": "\\x9b2J"}\n'
    shown = difference_text({"version": 2, "recorded": "a\x1b[2J", "asked": None, "position": ["b\x1b[2J"]})
    assert "\x1b[2J" not in shown
    assert (
        click.unstyle(shown) == "  version   2\n- recorded  a\\x1b[2J\n+ asked     nothing more\n  at        b\\x1b[2J"
    )


def test_a_tag_given_twice_is_refused() -> None:
    with pytest.raises(Failure, match="given twice"):
        tags_of(("a=1", "a=2"))
