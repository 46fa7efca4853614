"""Tables and bars for a width. It asks no terminal anything; colours are dropped by `click.echo` in a pipe."""

from collections.abc import Iterable, Sequence

import click

from obelisk_server.printable import visible

GAP = 2
COLUMN_MIN = 8
"""A column is not made narrower than this."""
_COLOURS = {
    "ok": "green",
    "blocked": "blue",
    "locked": "cyan",
    "running": "cyan",
    "pending": "yellow",
    "paused": "magenta",
    "cancelling": "magenta",
    "finished": None,
}
_STATES = frozenset({"STATUS", "RESULT"})
"""Columns whose cells are coloured by what they say; a word that is not known above is a failure."""


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], width: int | None = None) -> list[str]:
    """Lines of columns as wide as their widest cell, with a rule below the titles.

    `width`: of a terminal, into which the widest columns are cut, but never the first; None: plain lines, nothing cut.
    """
    cells = [[visible(str(cell)) for cell in row] for row in (titles, *rows)]
    natural = [max(len(row[column]) for row in cells) for column in range(len(titles))]
    if width is None:
        return [_line(row, natural) for row in cells]
    widths = _narrowed(natural, width)
    fitted = [[cut(cell, size) for cell, size in zip(row, widths, strict=True)] for row in cells]
    head = click.style(_line(fitted[0], widths), bold=True)
    rule = click.style((" " * GAP).join("─" * size for size in widths), dim=True)
    return [head, rule, *(_line(row, widths, titles) for row in fitted[1:])]


def _narrowed(widths: list[int], width: int) -> list[int]:
    narrowed = list(widths)
    while sum(narrowed) + GAP * (len(narrowed) - 1) > width:
        column = max(range(1, len(narrowed)), key=narrowed.__getitem__, default=0)
        if column == 0 or narrowed[column] <= COLUMN_MIN:
            break
        narrowed[column] -= 1
    return narrowed


def _line(row: Sequence[str], widths: Sequence[int], titles: Sequence[str] = ()) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)] + [row[-1]]
    if titles:
        padded = [coloured(cell) if title in _STATES else cell for cell, title in zip(padded, titles, strict=True)]
    return (" " * GAP).join(padded).rstrip()


def coloured(status: str) -> str:
    """A status or result, padded or not, in its colour."""
    return click.style(status, fg=_COLOURS.get(status.strip(), "red")) if status.strip() else status


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


def bars(spans: Iterable[tuple[float, float, str]], width: int) -> str:
    """Spans as (begin, end, filling), parts of a whole of 1: at least one cell each, a later one above earlier ones."""
    cells = [" "] * width
    for begin, end, filling in spans:
        first = min(width - 1, max(0, int(begin * width)))
        last = min(width, max(first + 1, round(end * width)))
        cells[first:last] = filling * (last - first)
    return "".join(cells)


def seconds_text(seconds: float) -> str:
    """`12 ms`, `1.5 s`, `2 m 05 s`, `3 h 10 m`, `2 d 4 h`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
