"""Paths of webhook routes: `/orders/:id/items/*`.

A `:name` stands for one segment that is not empty, a `*` at the end for the rest of the path, which may be empty.
Where several patterns fit a path, the first segment in which they differ decides: a text goes before a `:name`, and
that before a `*`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

REST = "*"
"""The name under which the rest of a path is known."""
EXPECTED = "a path such as /orders/:id, where a * may be the last segment"
_TEXT = re.compile(r"[^:*?#%\s\x00-\x1f]*")
_PARAM = re.compile(r":([A-Za-z][A-Za-z0-9_-]*)")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Equal if the texts are."""

    text: str
    segments: tuple[str | None, ...]
    """After the first slash; None stands for a parameter. Without the `*`."""
    params: tuple[str, ...]
    """Names of the parameters in order."""
    open_ended: bool
    """Whether a `*` follows."""

    @property
    def names(self) -> frozenset[str]:
        """What a request of this route has values of."""
        return frozenset((*self.params, REST) if self.open_ended else self.params)

    @property
    def shape(self) -> tuple[tuple[str | None, ...], bool]:
        """Patterns of one shape fit the same paths."""
        return self.segments, self.open_ended

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Raises: ValueError."""
        if not text.startswith("/"):
            raise ValueError(f"found {text!r}, expected {EXPECTED}")
        parts = text[1:].split("/")
        open_ended = parts[-1] == REST
        segments: list[str | None] = []
        params: list[str] = []
        for part in parts[:-1] if open_ended else parts:
            param = _PARAM.fullmatch(part)
            if param is not None:
                params.append(param[1])
            elif _TEXT.fullmatch(part) is None:
                raise ValueError(f"found {text!r} with the segment {part!r}, expected {EXPECTED}")
            segments.append(None if param else part)
        if len(set(params)) < len(params):
            raise ValueError(f"found {text!r}, which names a parameter twice; expected names of their own")
        return cls(text, tuple(segments), tuple(params), open_ended)


@dataclass(frozen=True, slots=True)
class Route:
    methods: tuple[str, ...]
    """Empty: any that no other route of this shape names."""
    pattern: Pattern

    def __str__(self) -> str:
        return f"{','.join(self.methods) or 'any method'} {self.pattern.text}"


def parse_method(text: str) -> str:
    """Raises: ValueError."""
    if _METHOD.fullmatch(text) is None:
        raise ValueError(f'found {text!r}, expected an HTTP method in capital letters such as "POST"')
    return text


def conflicts(routes: Sequence[Route]) -> Iterator[tuple[int, int]]:
    """Pairs of indexes, the later one first, of routes that fit the same requests with the same precedence."""
    taken: dict[object, int] = {}
    for index, route in enumerate(routes):
        for method in route.methods or ("",):
            earlier = taken.setdefault((route.pattern.shape, method), index)
            if earlier != index:
                yield index, earlier
                break
