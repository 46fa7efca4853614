"""A filter of executions as SQL."""

from dataclasses import dataclass

from obelisk_runtime.core.ids import EXECUTION_PREFIX
from obelisk_runtime.ports.store import ExecutionFilter
from obelisk_runtime.storage.codec import (
    BLOCKED,
    CANCELLING,
    FINISHED,
    LOCKED,
    PAUSED,
    PENDING,
    SEGMENT_TEXT,
    Interned,
    id_path,
)
from obelisk_runtime.storage.sqlite import statements

_STATUSES = {
    "pending": f"status = {PENDING}",
    "locked": f"status = {LOCKED}",
    "blocked": f"status = {BLOCKED}",
    "finished": f"status = {FINISHED}",
    "paused": f"(status <> {FINISHED} AND flags & {PAUSED})",
    "cancelling": f"(status <> {FINISHED} AND flags & {CANCELLING})",
}


@dataclass(frozen=True, slots=True)
class Condition:
    sql: str
    """What follows `FROM executions`; more may be added with AND."""
    values: tuple[object, ...]
    prelude: str = ""
    """What goes before the SELECT; its values come first."""


def conditions(where: ExecutionFilter, interned: Interned) -> Condition | None:
    """None: nothing can match. Top-level executions are read newest first by their own index, never sorted."""
    parts: list[tuple[str, tuple[object, ...]]] = []
    if where.parent is not None:
        path = id_path(where.parent)
        parts.append((f"parent = ({statements.find('executions', 'key', len(path))})", tuple(reversed(path))))
    elif where.top_level_only:
        parts.append(("parent = 0", ()))
    if where.function_prefix is not None:
        numbers = _numbers(where.function_prefix, interned)
        parts.append((f"function IN ({', '.join(map(str, numbers))})", ()))
    if where.statuses:
        words = [_STATUSES[word] for word in sorted(where.statuses) if word in _STATUSES]
        parts.append((f"({' OR '.join(words) or 'status = 0'})", ()))
    if where.results:
        marks = ", ".join("?" * len(where.results))
        parts.append((f"result IN ({marks})", tuple(where.results)))
    for name, value in (where.tags or {}).items():
        parts.append(("key IN (SELECT execution FROM tags WHERE name = ? AND value = ?)", (name, value)))
    if where.holder is not None:
        parts.append(("holder = ?", (interned.known(where.holder),)))
    prelude = _prefix(where.id_prefix, parts)
    if prelude is None:
        return None
    index = "INDEXED BY executions_top_level " if where.parent is None and where.top_level_only else ""
    sql = f"{index}WHERE {' AND '.join(sql for sql, _ in parts) or 'true'}"
    return Condition(sql, tuple(value for _, values in parts for value in values), prelude)


def _numbers(prefix: str, interned: Interned) -> list[int]:
    """Of the texts that begin so; and 0, which nothing has, so that there is one."""
    return [0] + [number for number, text in enumerate(interned.texts) if number and text.startswith(prefix)]


def _prefix(prefix: str | None, parts: list[tuple[str, tuple[object, ...]]]) -> str | None:
    """Add the condition of an id prefix to `parts`, in front; the WITH clause it needs, or None if nothing can match.

    Ids are not stored: the prefix gives the uppermost matching executions, and what is below them matches as well.
    """
    if prefix is None or EXECUTION_PREFIX.startswith(prefix):
        return ""
    if not prefix.startswith(EXECUTION_PREFIX):
        return None
    parent, dot, last = prefix.rpartition(".")
    if dot:
        path = id_path(parent)
        text = SEGMENT_TEXT.format("segment")
        seed = f"parent = ({statements.find('executions', 'key', len(path))}) AND substr({text}, 1, ?) = ?"
        values = (*statements.bottom_up(path), len(last), last)
    else:
        seed = "parent = 0 AND substr(segment, 1, ?) = ?"
        values = (len(prefix) - len(EXECUTION_PREFIX), prefix.removeprefix(EXECUTION_PREFIX))
    parts.insert(0, ("key IN matching", values))
    return (
        f"WITH RECURSIVE matching (key) AS (SELECT key FROM executions WHERE {seed} UNION ALL "  # noqa: S608 - constants
        "SELECT below.key FROM matching JOIN executions AS below ON below.parent = matching.key) "
    )
