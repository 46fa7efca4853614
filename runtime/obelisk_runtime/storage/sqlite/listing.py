"""A filter of executions as SQL."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from obelisk_runtime.core.ids import EXECUTION_PREFIX
from obelisk_runtime.core.names import is_among
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

OPEN = "finished IS NULL"
FAILED = "finished IS NOT NULL AND result <> 'ok'"
"""The conditions of the indexes `executions_open` and `executions_failed`, word for word."""
LAST_BODY = "coalesce((SELECT body FROM events WHERE execution = {0}.key ORDER BY version DESC LIMIT 1), {0}.log)"
"""Where the last event of an execution is, to be formatted with its table."""
_STATUSES = {
    "pending": f"status = {PENDING}",
    "locked": f"status = {LOCKED}",
    "blocked": f"status = {BLOCKED}",
    "finished": f"status = {FINISHED}",
    "paused": f"(status <> {FINISHED} AND flags & {PAUSED})",
    "cancelling": f"(status <> {FINISHED} AND flags & {CANCELLING})",
}


SCANNED_MAX = 200_000
"""Executions that a page may look at."""
_LAST_CHARACTER = chr(0x10FFFF)
KEY_MAX = 2**63 - 1
KEYS = "SELECT coalesce((SELECT min(key) FROM executions), 0), coalesce((SELECT max(key) FROM executions), 0)"
"""The first and the last key. Asked for together, SQLite would look at all rows."""
_OPEN_WORDS = frozenset({"pending", "locked", "blocked", "paused", "cancelling"})
_FINISHED_AT = "created + finished"


@dataclass(frozen=True, slots=True)
class Window:
    """The keys that a page looks at: a part of them all, so that no page takes too long."""

    least: int
    most: int
    oldest_first: bool
    next: int | None
    """The cursor after it; None: it reaches the end."""

    @classmethod
    def of(cls, first: int, last: int, cursor: int | None, *, oldest_first: bool, whole: bool) -> "Window":
        """From the first and last key there are. `whole`: as far as there is anything."""
        if oldest_first:
            least = first if cursor is None else cursor + 1
            most = last if whole else min(last, least + SCANNED_MAX - 1)
            return cls(least, most, oldest_first, None if most >= last else most)
        most = last if cursor is None else cursor - 1
        least = first if whole else max(first, most - SCANNED_MAX + 1)
        return cls(least, most, oldest_first, None if least <= first else least)


@dataclass(frozen=True, slots=True)
class Condition:
    sql: str
    """What follows `FROM executions`."""
    values: tuple[object, ...]
    prelude: str = ""
    """What goes before the SELECT; its values come first."""
    scans: bool = True
    """It may match few of many rows that it looks at."""
    text: bool = False
    """It is about text, and more may match than should: what is needed to look again is selected as well."""

    def statement(self, window: Window, limit: int) -> tuple[str, tuple[object, ...]]:
        """Rows in the window, in order, and the values to bind."""
        more = f", log, {LAST_BODY.format('executions')}" if self.text else ""
        order = "ASC" if window.oldest_first else "DESC"
        sql = (
            f"{self.prelude}SELECT {statements.SELECTED}{more} FROM executions {self.sql} "  # noqa: S608 - constants
            f"AND key BETWEEN ? AND ? ORDER BY key {order} LIMIT ?"
        )
        return sql, (*self.values, window.least, window.most, limit)


def conditions(where: ExecutionFilter, interned: Interned) -> Condition | None:
    """None: nothing can match. Executions are read in order by an index or their keys, never sorted, where that may be
    many.
    """
    places = list(_places(where))
    parts: list[tuple[str, tuple[object, ...]]] = [*places, *_words(where), *_times(where)]
    if where.function_prefix is not None:
        numbers = _numbers(interned, [where.function_prefix + "*"])
        if not numbers:
            return None
        parts.append((f"function IN ({numbers})", ()))
    if where.within is not None:
        of_top_level = where.top_level_only and where.parent is None
        parts.append((within(interned, where.within, of_top_level=of_top_level), ()))
    if where.digest is not None:
        if not interned.known(where.digest):
            return None
        parts.append(("digest = ?", (interned.known(where.digest),)))
    for name, value in (where.tags or {}).items():
        parts.append(("key IN (SELECT execution FROM tags WHERE name = ? AND value = ?)", (name, value)))
    if where.holder is not None:
        parts.append(("holder = ?", (interned.known(where.holder),)))
    if where.text is not None:
        text = where.text.encode("utf-8", "surrogatepass")
        parts.append((f"(instr(log, ?) OR instr({LAST_BODY.format('executions')}, ?))", (text, text)))
    prelude = _prefix(where.id_prefix, parts)
    if prelude is None:
        return None
    found_otherwise = bool(prelude) or where.parent is not None or where.holder is not None or bool(where.tags)
    index = "" if found_otherwise else _index(where)
    sql = f"{index} WHERE {' AND '.join(sql for sql, _ in parts) or 'true'}"
    values = tuple(value for _, values in parts for value in values)
    scans = not found_otherwise and len(parts) > len(places)
    return Condition(sql, values, prelude, scans=scans, text=where.text is not None)


def _index(where: ExecutionFilter) -> str:
    """The one with the fewest rows that may match."""
    if where.statuses and where.statuses <= _OPEN_WORDS:
        return "INDEXED BY executions_open"
    if where.results and "ok" not in where.results:
        return "INDEXED BY executions_failed"
    return "INDEXED BY executions_top_level" if where.top_level_only else "NOT INDEXED"


def _places(where: ExecutionFilter) -> Iterator[tuple[str, tuple[object, ...]]]:
    if where.parent is not None:
        path = id_path(where.parent)
        yield f"parent = ({statements.find('executions', 'key', len(path))})", tuple(reversed(path))
    elif where.top_level_only:
        yield "parent = 0", ()


def _words(where: ExecutionFilter) -> Iterator[tuple[str, tuple[object, ...]]]:
    if where.statuses:
        words = [_STATUSES[word] for word in sorted(where.statuses) if word in _STATUSES]
        yield f"({' OR '.join(words) or 'status = 0'})", ()
        if where.statuses <= _OPEN_WORDS:
            yield OPEN, ()
    if where.results:
        yield f"result IN ({', '.join('?' * len(where.results))})", tuple(where.results)
        if "ok" not in where.results:
            yield FAILED, ()


def _times(where: ExecutionFilter) -> Iterator[tuple[str, tuple[object, ...]]]:
    for column, since, before in (
        ("created", where.created_since, where.created_before),
        (_FINISHED_AT, where.finished_since, where.finished_before),
    ):
        if since is not None:
            yield f"{column} >= ?", (since,)
        if before is not None:
            yield f"{column} < ?", (before,)


def within(interned: Interned, functions: Sequence[str], *, of_top_level: bool) -> str:
    """`ExecutionFilter.within`; `of_top_level`: of executions that have nothing above them."""
    own = f"function IN ({_numbers(interned, functions) or _NO_NUMBER})"
    return own if of_top_level else f"({own} OR EXISTS ({_ABOVE} SELECT 1 FROM above WHERE {own}))"  # noqa: S608


_NO_NUMBER = "0"
"""An empty list would leave SQLite without a way to use the index that it is told to use."""
_ABOVE = """WITH RECURSIVE above (parent, function) AS (
    SELECT up.parent, up.function FROM executions AS up WHERE up.key = executions.parent
    UNION ALL SELECT up.parent, up.function FROM above JOIN executions AS up ON up.key = above.parent
)"""


def _numbers(interned: Interned, functions: Sequence[str]) -> str:
    """Of these functions, with commas; empty if there are none."""
    numbered = enumerate(interned.texts)
    return ", ".join(str(number) for number, text in numbered if number and is_among(text, functions))


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
        seed = "parent = 0 AND segment >= ? AND segment < ?"
        begin = prefix.removeprefix(EXECUTION_PREFIX)
        values = (begin, begin + _LAST_CHARACTER)
    parts.insert(0, ("key IN matching", values))
    return (
        f"WITH RECURSIVE matching (key) AS (SELECT key FROM executions WHERE {seed} UNION ALL "  # noqa: S608 - constants
        "SELECT below.key FROM matching JOIN executions AS below ON below.parent = matching.key) "
    )
