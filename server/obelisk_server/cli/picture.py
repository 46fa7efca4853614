"""An execution with what is below it, drawn as a tree beside a timeline."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import click

from obelisk_server.cli.client import Json
from obelisk_server.cli.layout import bar, coloured, cut, seconds_text

ROWS_MAX = 40
BAR_MIN = 10
LABEL_MAX = 48
RAN, RUNS, WAITS = "█", "▒", "─"
"""What ended, what has not, and delays."""
DELAY = "delay"


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    status: str
    attempts: str
    begin: float
    """Seconds since the epoch."""
    end: float
    filling: str


def draw(root: Json, children: Sequence[Json], delays: Sequence[Json], now: str, width: int) -> list[str]:
    """One line for each, indented by whom it is below of, in the order of creation; at most ROWS_MAX of them.

    `delays`: events of the root's log that began one. What has not ended is drawn until `now`.
    """
    below: dict[str, list[Json]] = {}
    for item in (*children, *(_delay(event, root) for event in delays)):
        below.setdefault(item["parent"], []).append(item)
    rows: list[Row] = []
    for label, item in _walked(root, below):
        if len(rows) == ROWS_MAX:
            break
        rows.append(_row(label, item, now))
    lines = list(_lines(rows, width))
    more = 1 + len(children) + len(delays) - len(rows)
    return [*lines, f"{more} more"] if more else lines


def _delay(event: Json, root: Json) -> Json:
    ends = min(event["wakes"], root.get("finished_at", event["wakes"]))
    name = f"{root['id']}.{event['join_set']}"
    return {"id": name, "parent": root["id"], "function": DELAY, "created_at": event["at"], "finished_at": ends}


def _walked(root: Json, below: Mapping[str, list[Json]]) -> Iterator[tuple[str, Json]]:
    """Depth first, without recursion: trees may be as deep as they like."""
    waiting: list[tuple[str, str, Json]] = [("", "", root)]
    while waiting:
        branch, indent, item = waiting.pop()
        name = item["id"] if item is root else item["id"].removeprefix(f"{item['parent']}.")
        yield f"{branch}{name} {_function(item)}", item
        inner = sorted(below.get(item["id"], ()), key=lambda child: child["created_at"])
        following = [
            (indent + ("└ " if last else "├ "), indent + ("  " if last else "│ "), child)
            for last, child in ((index == len(inner) - 1, child) for index, child in enumerate(inner))
        ]
        waiting += reversed(following)


def _function(item: Json) -> str:
    return item["function"].rpartition("/")[2]


def _row(label: str, item: Json, now: str) -> Row:
    begin, end = _seconds(item["created_at"]), _seconds(item.get("finished_at", now))
    if item["function"] == DELAY:
        return Row(label, "", "", begin, end, WAITS)
    lifecycle = item["lifecycle"]
    status = item.get("outcome") or (item["status"] if lifecycle == "active" else lifecycle)
    filling = RAN if "finished_at" in item else RUNS
    return Row(label, status, str(item["attempts"]), begin, max(begin, end), filling)


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


def _lines(rows: Sequence[Row], width: int) -> Iterator[str]:
    begin = min(row.begin for row in rows)
    span = max(max(row.end for row in rows) - begin, 1e-6)
    durations = [seconds_text(row.end - row.begin) for row in rows]
    label_width = min(LABEL_MAX, max(len(row.label) for row in rows))
    status_width = max(6, *(len(row.status) for row in rows))
    time_width = max(8, *map(len, durations))
    used = label_width + status_width + time_width + 5 + 4 * 2 + 2
    bar_width = max(BAR_MIN, width - used)
    head = (
        "EXECUTION".ljust(label_width),
        "STATUS".ljust(status_width),
        "TRIED",
        "DURATION".rjust(time_width),
        seconds_text(span).rjust(bar_width + 1),
    )
    yield click.style("  ".join(head), bold=True)
    for row, duration in zip(rows, durations, strict=True):
        drawn = bar((row.begin - begin) / span, (row.end - begin) / span, bar_width, row.filling)
        yield "  ".join(
            (
                cut(row.label, label_width).ljust(label_width),
                coloured(row.status.ljust(status_width)),
                row.attempts.rjust(5),
                duration.rjust(time_width),
                f"│{drawn}│",
            )
        )
