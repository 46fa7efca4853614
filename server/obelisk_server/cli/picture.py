"""An execution with what is below it, drawn as a tree beside a timeline."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import click

from obelisk_server.cli.client import Json
from obelisk_server.cli.layout import bars, coloured, cut, seconds_text
from obelisk_server.cli.phases import Doing, Phase, phases_of, seconds_of

ROWS_MAX = 40
BAR_MIN = 10
LABEL_MAX, LABEL_MIN = 48, 16
_RUNS_NOW = "▒"
_FILLINGS = {
    Doing.LATER: "·",
    Doing.QUEUED: "░",
    Doing.BACKOFF: "┄",
    Doing.PARKED: "▁",
    Doing.PAUSED: "=",
    Doing.RUNNING: "█",
}
"""What is drawn later covers what was before: a short run is seen between long waits."""
_DELAY_FILLING = "─"
DELAY = "delay"

Events = Callable[[Json], Sequence[Json]]
"""The log of an execution."""


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    status: str
    attempts: str
    begin: float
    """Seconds since the epoch."""
    end: float
    phases: Sequence[Phase]
    """Empty of a delay."""
    runs: bool


def draw(root: Json, below: Sequence[Json], events: Events, now: str, width: int) -> list[str]:
    """One line for each, indented by whom it is below of, in the order of creation; at most ROWS_MAX of them.

    `events` is asked for what is drawn. What has not ended is drawn until `now`. What drawing means is said below it.
    """
    by_parent: dict[str, list[Json]] = {}
    for item in below:
        by_parent.setdefault(item["parent"], []).append(item)
    rows: list[Row] = []
    hidden = 1 + len(below)
    for label, item, log in _walked(root, by_parent, events):
        if len(rows) == ROWS_MAX:
            break
        hidden -= item["function"] != DELAY
        rows.append(_row(label, item, log, seconds_of(now)))
    legend = _legend(rows)
    return [*_lines(rows, width), *([legend] if legend else []), *([f"{hidden} more"] if hidden else [])]


def _legend(rows: Sequence[Row]) -> str:
    seen = {phase.doing for row in rows for phase in row.phases} - {Doing.RUNNING}
    parts = [f"{_FILLINGS[doing]} {doing}" for doing in _FILLINGS if doing in seen]
    return click.style("  ".join(parts), dim=True) if parts else ""


def _delays(execution: Json, log: Sequence[Json]) -> Iterator[Json]:
    for event in log:
        if event["event"] == "delay-submitted":
            ends = min(event["wakes"], execution.get("finished_at", event["wakes"]))
            id_ = f"{execution['id']}.{event['join_set']}"
            parent, begin = execution["id"], event["at"]
            yield {"id": id_, "parent": parent, "function": DELAY, "created_at": begin, "finished_at": ends}


def _walked(
    root: Json, by_parent: Mapping[str, list[Json]], events: Events
) -> Iterator[tuple[str, Json, Sequence[Json]]]:
    """(label, what it is, its log), depth first, without recursion: trees may be as deep as they like."""
    waiting: list[tuple[str, str, Json]] = [("", "", root)]
    while waiting:
        branch, indent, item = waiting.pop()
        name = item["id"] if item is root else item["id"].removeprefix(f"{item['parent']}.")
        log = () if item["function"] == DELAY else events(item)
        yield f"{branch}{name} {_function(item)}", item, log
        inner = [*by_parent.get(item["id"], ()), *_delays(item, log)]
        inner.sort(key=lambda child: child["created_at"])
        following = [
            (indent + ("└ " if last else "├ "), indent + ("  " if last else "│ "), child)
            for last, child in ((index == len(inner) - 1, child) for index, child in enumerate(inner))
        ]
        waiting += reversed(following)


def _function(item: Json) -> str:
    return item["function"].rpartition("/")[2]


def _row(label: str, item: Json, log: Sequence[Json], now: float) -> Row:
    begin = seconds_of(item["created_at"])
    end = max(begin, seconds_of(item["finished_at"]) if "finished_at" in item else now)
    if item["function"] == DELAY:
        return Row(label, "", "", begin, end, (), runs=False)
    lifecycle = item["lifecycle"]
    status = item.get("outcome") or (item["status"] if lifecycle == "active" else lifecycle)
    phases = phases_of(log, end) if log else [Phase(Doing.RUNNING, begin, end)]
    return Row(label, status, str(item["attempts"]), begin, end, phases, runs="finished_at" not in item)


def _bar(row: Row, begin: float, span: float, width: int) -> str:
    def place(at: float) -> float:
        return (at - begin) / span

    if not row.phases:
        return bars([(place(row.begin), place(row.end), _DELAY_FILLING)], width)
    ordered = sorted(row.phases, key=lambda phase: list(_FILLINGS).index(phase.doing))
    spans = [
        (
            place(phase.begin),
            place(phase.end),
            _RUNS_NOW if row.runs and phase.end == row.end and phase.doing is Doing.RUNNING else _FILLINGS[phase.doing],
        )
        for phase in ordered
    ]
    return bars(spans, width)


def _lines(rows: Sequence[Row], width: int) -> Iterator[str]:
    begin = min(row.begin for row in rows)
    span = max(max(row.end for row in rows) - begin, 1e-6)
    durations = [seconds_text(row.end - row.begin) for row in rows]
    status_width = max(6, *(len(row.status) for row in rows))
    time_width = max(8, *map(len, durations))
    left = width - (status_width + time_width + 5 + 4 * 2 + 2)
    label_width = min(LABEL_MAX, max(LABEL_MIN, left - BAR_MIN), max(len(row.label) for row in rows))
    bar_width = max(BAR_MIN, left - label_width)
    head = (
        "EXECUTION".ljust(label_width),
        "STATUS".ljust(status_width),
        "TRIED",
        "DURATION".rjust(time_width),
        seconds_text(span).rjust(bar_width + 1),
    )
    yield click.style("  ".join(head), bold=True)
    for row, duration in zip(rows, durations, strict=True):
        yield "  ".join(
            (
                cut(row.label, label_width).ljust(label_width),
                coloured(row.status.ljust(status_width)),
                row.attempts.rjust(5),
                duration.rjust(time_width),
                f"│{_bar(row, begin, span, bar_width)}│",
            )
        )
