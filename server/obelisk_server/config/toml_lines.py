"""On which line of a TOML file a key is, which `tomllib` does not tell."""

import tomllib
from collections.abc import Iterator
from typing import Any, cast

KeyPath = tuple[str | int, ...]
"""Keys of tables and indexes of arrays: `("activity", 0, "retries", "max")`."""


class TomlLines:
    """Lines of keys of a valid TOML text, from 1. Inside a value that spans lines, the line where the value starts."""

    def __init__(self, text: str) -> None:
        self._lines: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}
        table: KeyPath = ()
        for line, statement in _statements(text):
            parsed = tomllib.loads(statement)
            if statement.lstrip().startswith("["):
                table = self._header(parsed, line)
            else:
                self._keys(table, parsed, line)

    def line_of(self, path: KeyPath) -> int | None:
        """Of the key, or of the nearest key around it; None for the whole file."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return None

    def _header(self, parsed: Any, line: int) -> KeyPath:
        """`[a.b]` and `[[a.b]]`; an array of tables on the way means its last element."""
        path: list[str | int] = []
        while isinstance(parsed, dict) and parsed:
            ((key, parsed),) = cast("dict[str, Any]", parsed).items()
            path.append(key)
            place = tuple(path)
            if isinstance(parsed, list):
                self._counts[place] = self._counts.get(place, -1) + 1
            if place in self._counts:
                path.append(self._counts[place])
        self._lines.setdefault(tuple(path), line)
        return tuple(path)

    def _keys(self, table: KeyPath, parsed: Any, line: int) -> None:
        if isinstance(parsed, dict):
            for key, value in cast("dict[str, Any]", parsed).items():
                self._lines.setdefault((*table, key), line)
                self._keys((*table, key), value, line)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(first line, text) of each header and each `key = value`; a value goes on until it parses."""
    lines = text.replace("\r\n", "\n").split("\n")
    start = 0
    while start < len(lines):
        end = start + 1
        if lines[start].strip() and not lines[start].lstrip().startswith("#"):
            while end < len(lines) and not _parses("\n".join(lines[start:end])):
                end += 1
            yield start + 1, "\n".join(lines[start:end])
        start = end


def _parses(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True
