"""Golden text of tables and pictures."""

from itertools import pairwise
from typing import Any

import click
import pytest

from obelisk_server.cli.layout import bars, seconds_text, table
from obelisk_server.cli.phases import phases_of, seconds_of
from obelisk_server.cli.picture import ROWS_MAX, draw

NOW = "2026-01-01T00:00:10.000000Z"
TITLES = ("ID", "STATUS", "FUNCTION")


def plain(lines: list[str]) -> list[str]:
    return [click.unstyle(line).rstrip() for line in lines]


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000000Z"


def execution(execution_id: str, parent: str | None, begin: int, end: int | None) -> dict[str, object]:
    state = {"status": "locked"} if end is None else {"status": "finished", "outcome": "ok", "finished_at": at(end)}
    fields = {"id": execution_id, "parent": parent, "function": "a:b/c.d", "lifecycle": "active", "attempts": 1}
    return {**fields, **state, "created_at": at(begin)}


def test_a_table_in_a_pipe_is_aligned_and_nothing_is_cut() -> None:
    rows = [("E_1", "ok", "x" * 200), ("E_22", "err", "y")]
    assert table(TITLES, rows) == ["ID    STATUS  FUNCTION", "E_1   ok      " + "x" * 200, "E_22  err     y"]


def test_a_table_on_a_terminal_has_a_rule_and_is_cut_to_its_width() -> None:
    rows = [("E_12345678", "ok", "testing:fibo-workflow/workflow.fiboa"), ("E_2", "timed-out", "a:b/c.d")]
    assert plain(table(TITLES, rows, 40)) == [
        "ID          STATUS     FUNCTION",
        "──────────  ─────────  ─────────────────",
        "E_12345678  ok         testing:fibo-wor…",
        "E_2         timed-out  a:b/c.d",
    ]


def test_the_first_column_is_whole_however_narrow_the_terminal_is() -> None:
    (_, _, row) = plain(table(("ID", "FUNCTION"), [("E_" + "1" * 26, "f" * 40)], 10))
    assert row == "E_" + "1" * 26 + "  fffffff…"


def test_only_states_have_a_colour_and_what_is_no_state_known_is_a_failure() -> None:
    (_, _, fine, broken) = table(TITLES, [("ok", "ok", "ok"), ("a", "trapped", "b")], 40)
    assert fine == "ok  \x1b[32mok     \x1b[0m  ok"
    assert broken == "a   \x1b[31mtrapped\x1b[0m  b"


def test_cells_cannot_steer_the_terminal() -> None:
    assert table(("A",), [("\x1b[2J",)]) == ["A", "\\x1b[2J"]


def test_a_bar_has_at_least_one_cell_and_stays_within() -> None:
    assert bars([(0.0, 1.0, "#")], 4) == "####"
    assert bars([(0.5, 0.5, "#")], 4) == "  # "
    assert bars([(1.0, 1.0, "#")], 4) == "   #"
    assert bars([(0.0, 1.0, "."), (0.25, 0.5, "#")], 4) == ".#.."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0123, "12 ms"), (1.54, "1.5 s"), (125, "2 m 05 s"), (11_400, "3 h 10 m"), (187_200, "2 d 4 h")],
)
def test_how_long_something_took_is_said_in_two_units_at_most(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def no_events(_: object) -> list[Any]:
    return []


def delay(begin: int, end: int, join_set: str) -> dict[str, str]:
    return {"event": "delay-submitted", "at": at(begin), "wakes": at(end), "join_set": join_set}


def test_waits_and_attempts_are_drawn_each_in_its_way() -> None:
    log = [
        {"event": "created", "at": at(0), "due": at(2)},
        {"event": "locked", "at": at(3)},
        {"event": "attempt-failed", "at": at(4), "due": at(6)},
        {"event": "locked", "at": at(6)},
        {"event": "paused", "at": at(7)},
        {"event": "resumed", "at": at(8)},
        {"event": "locked", "at": at(9)},
    ]
    found = plain(draw(execution("E_1", None, 0, None), [], lambda _: log, NOW, 60))
    assert [line.partition("│")[2].rstrip("│") for line in found[1:-1]] == ["····░░░███┄┄┄┄███==░░▒▒▒"]
    assert found[-1] == "· not due yet  ░ queued  ┄ back-off  = paused"


def test_what_was_to_come_is_not_drawn_when_something_else_came_before() -> None:
    log = [
        {"event": "created", "at": at(0)},
        {"event": "locked", "at": at(0)},
        {"event": "attempt-timed-out", "at": at(2), "due": at(9)},
        {"event": "paused", "at": at(4)},
        {"event": "resumed", "at": at(5)},
        {"event": "finished", "at": at(6)},
    ]
    assert [(phase.doing.value, phase.end - phase.begin) for phase in phases_of(log, seconds_of(at(6)))] == [
        ("running", 2),
        ("back-off", 2),
        ("paused", 1),
        ("queued", 1),
    ]


def test_a_tree_is_drawn_beside_its_timeline_with_delays_and_what_still_runs() -> None:
    children = [
        execution("E_1.n:1_1", "E_1", 0, 5),
        execution("E_1.n:1_2", "E_1", 5, None),
        execution("E_1.n:1_1.o:1_1", "E_1.n:1_1", 2, 4),
    ]
    logs = {
        "E_1": [{"event": "locked", "at": at(0)}, delay(6, 8, "o:2")],
        "E_1.n:1_1": [{"event": "locked", "at": at(0)}, delay(1, 2, "o:3"), {"event": "finished", "at": at(5)}],
    }
    assert plain(draw(execution("E_1", None, 0, None), children, lambda item: logs.get(item["id"], []), NOW, 60)) == [
        "EXECUTION      STATUS  TRIED  DURATION               10.0 s",
        "E_1 c.d        locked      1    10.0 s  │▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒│",
        "├ n:1_1 c.d    ok          1     5.0 s  │█████████         │",
        "│ ├ o:3 delay                    1.0 s  │ ───              │",
        "│ └ o:1_1 c.d  ok          1     2.0 s  │   ████           │",
        "├ n:1_2 c.d    locked      1     5.0 s  │         ▒▒▒▒▒▒▒▒▒│",
        "└ o:2 delay                      2.0 s  │          ────    │",
    ]


def test_a_picture_is_bounded_and_says_how_many_are_not_in_it() -> None:
    children = [execution(f"E_1.n:1_{index}", "E_1", 0, 1) for index in range(100)]
    lines = draw(execution("E_1", None, 0, 1), children, no_events, NOW, 80)
    assert (len(lines), lines[-1]) == (ROWS_MAX + 2, "61 more")


def test_a_tree_may_be_deeper_than_a_stack() -> None:
    ids = ["E_1"]
    for _ in range(2000):
        ids.append(ids[-1] + ".o:1_1")
    children = [execution(inner, outer, 0, 1) for outer, inner in pairwise(ids)]
    assert draw(execution("E_1", None, 0, 1), children, no_events, NOW, 80)[-1] == f"{2001 - ROWS_MAX} more"
