"""SQL texts, made once: few statements with many rows, as each execution of one gives up and retakes the GIL."""

import json
from collections.abc import Iterable, Sequence
from functools import cache

from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.storage.codec import PROJECTION_COLUMNS, Segment, id_path

CHUNK_ROWS_MAX = 64
"""Rows a statement may write. Smaller numbers are powers of two, so that there are few texts to prepare."""

_IMMUTABLE = ("kind", "function", "created", "deadline")
_MOVING = tuple(column for column in PROJECTION_COLUMNS if column not in _IMMUTABLE)
MOVING = slice(len(_IMMUTABLE), len(PROJECTION_COLUMNS))
"""Where the columns that change are in PROJECTION_COLUMNS."""
EXECUTION_COLUMNS = ("key", "parent", "segment", *PROJECTION_COLUMNS)
SELECTED = ", ".join(EXECUTION_COLUMNS)

CHANGED = "changed"
"""Written with every row of `executions`, read only by who asks what has changed."""

BELOW = """
WITH RECURSIVE below (key) AS (
    VALUES (?) UNION ALL SELECT child.key FROM executions AS child JOIN below ON child.parent = below.key
)"""
"""The keys of an execution, which is bound, and of everything below it."""

ASKED = """
WITH RECURSIVE walk (item, path, level, found) AS (
    SELECT key, value, 0, 0 FROM json_each(?) UNION ALL
    SELECT item, path, level + 1, executions.key
    FROM walk JOIN executions ON parent = found AND segment = json_extract(path, '$[' || level || ']')
), asked (item, key) AS (SELECT item, found FROM walk WHERE level = json_array_length(path))"""
"""The keys of several executions, whose `paths` are bound; `item` is the place among them."""

REQUEST_COLUMNS = "at, method, url, status, error, detail, sent, received, head_after, duration"
"""In the order of the fields of RequestMade."""

INSERTS = {
    "interned": ("interned (number, text)", 2, ""),
    "executions": (f"executions ({SELECTED}, {CHANGED}, added, log)", len(EXECUTION_COLUMNS) + 3, ""),
    "events": ("events (execution, version, added, body)", 4, ""),
    "responses": ("responses (parent, position, source, at, result)", 5, ""),
    "delays": ("delays (key, parent, segment, wakes)", 4, ""),
    "grafted delays": ("delays (key, parent, segment, wakes, answer, paused)", 6, ""),
    "tags": ("tags (execution, name, value)", 3, ""),
    "logs": (
        "logs (execution, run, ordinal, at, level, source, message)",
        7,
        " ON CONFLICT (execution, run, ordinal) DO NOTHING",
    ),
    "requests": (
        f"requests (execution, run, ordinal, more, {REQUEST_COLUMNS})",
        14,
        " ON CONFLICT (execution, run, ordinal) DO NOTHING",
    ),
}
_UPDATES = {"moved": (*_MOVING, CHANGED), "counted": ("version", "responses", CHANGED)}
"""`counted` leaves alone what is indexed."""


def chunks(rows: Sequence[Sequence[object]]) -> list[tuple[int, Sequence[object]]]:
    """(number of rows, their values in one list): powers of two up to CHUNK_ROWS_MAX."""
    if len(rows) == 1:
        return [(1, rows[0])]
    found: list[tuple[int, Sequence[object]]] = []
    start = 0
    while start < len(rows):
        size = min(CHUNK_ROWS_MAX, 1 << ((len(rows) - start).bit_length() - 1))
        found.append((size, [value for row in rows[start : start + size] for value in row]))
        start += size
    return found


def paths(ids: Iterable[ExecutionId]) -> str:
    """What `ASKED` takes."""
    return json.dumps([id_path(id_) for id_ in ids])


@cache
def insert(name: str, rows: int) -> str:
    into, columns, conflict = INSERTS[name]
    return f"INSERT INTO {into} VALUES {_values(rows, columns)}{conflict}"  # noqa: S608 - from constants


@cache
def update(name: str, rows: int) -> str:
    """Values are the key and the columns, for each row."""
    columns = _UPDATES[name]
    if rows == 1:
        assignments = ", ".join(f"{column} = ?{n}" for n, column in enumerate(columns, 2))
        return f"UPDATE executions SET {assignments} WHERE key = ?1"  # noqa: S608 - from constants
    assignments = ", ".join(f"{column} = new.column{n}" for n, column in enumerate(columns, 2))
    values = _values(rows, len(columns) + 1)
    return (
        f"UPDATE executions SET {assignments} FROM (VALUES {values}) AS new "  # noqa: S608 - from constants
        "WHERE executions.key = new.column1"
    )


@cache
def find(table: str, columns: str, depth: int) -> str:
    """Select a row by its id: the values are its path from the bottom up (`bottom_up`)."""
    parent = "0"
    for _ in range(depth - 1):
        parent = f"(SELECT key FROM executions WHERE segment = ? AND parent = {parent})"  # noqa: S608 - from constants
    return f"SELECT {columns} FROM {table} WHERE segment = ? AND parent = {parent}"  # noqa: S608 - from constants


def bottom_up(path: Sequence[Segment]) -> list[Segment]:
    return list(reversed(path))


def _values(rows: int, columns: int) -> str:
    row = "(" + ", ".join("?" * columns) + ")"
    return ", ".join([row] * rows)
