"""Which webhook gets a request: see `config.webhooks.route_patterns` for the rules."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

from obelisk_server.config.webhooks.route_patterns import REST, Pattern, Route
from obelisk_server.webhooks.refusals import MalformedRequest, NoRoute, WrongMethod

T = TypeVar("T")
_ANY = ""


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    target: T
    pattern: Pattern
    params: Mapping[str, str]
    """Still percent-encoded, by `Pattern.names`."""

    @property
    def decoded(self) -> Mapping[str, str]:
        """Raises: MalformedRequest."""
        return {name: _decoded(value) for name, value in self.params.items()}


@dataclass(slots=True)
class _Node(Generic[T]):
    texts: "dict[str, _Node[T]]" = field(default_factory=dict[str, "_Node[T]"])
    param: "_Node[T] | None" = None
    ends: "_Methods[T]" = field(default_factory=dict[str, tuple[Pattern, T]])
    rests: "_Methods[T]" = field(default_factory=dict[str, tuple[Pattern, T]])


_Methods = dict[str, tuple[Pattern, T]]


class Routes(Generic[T]):
    """A tree of path segments."""

    def __init__(self, routes: Iterable[tuple[Route, T]]) -> None:
        self._root = _Node[T]()
        for route, target in routes:
            self._add(route, target)

    def _add(self, route: Route, target: T) -> None:
        pattern = route.pattern
        node = self._root
        for segment in pattern.segments:
            if segment is None:
                node.param = node.param or _Node[T]()
                node = node.param
            else:
                node = node.texts.setdefault(segment, _Node[T]())
        methods = node.rests if pattern.open_ended else node.ends
        for method in route.methods or (_ANY,):
            methods[method] = pattern, target

    def find(self, method: str, path: str) -> Match[T]:
        """`path` as it was sent, without the query. Raises: NoRoute, WrongMethod, MalformedRequest."""
        if not path.startswith("/"):
            raise NoRoute
        segments = path[1:].split("/")
        allowed: set[str] = set()
        for methods, values in _fitting(self._root, [(segment, _decoded(segment)) for segment in segments], ()):
            found = methods.get(method) or methods.get(_ANY)
            if found is not None:
                pattern, target = found
                names = (*pattern.params, REST) if pattern.open_ended else pattern.params
                return Match(target, pattern, dict(zip(names, values, strict=True)))
            allowed.update(methods)
        if allowed:
            raise WrongMethod(method, sorted(allowed))
        raise NoRoute


def _fitting(
    node: _Node[T], segments: Sequence[tuple[str, str]], values: tuple[str, ...]
) -> "Iterator[tuple[_Methods[T], tuple[str, ...]]]":
    """What fits the rest of a path, by precedence, with the values of its parameters. Segments: as sent, decoded."""
    if segments:
        (raw, text), *others = segments
        if text in node.texts:
            yield from _fitting(node.texts[text], others, values)
        if node.param is not None and raw:
            yield from _fitting(node.param, others, (*values, raw))
        if node.rests:
            yield node.rests, (*values, "/".join(raw for raw, _ in segments))
    elif node.ends:
        yield node.ends, values


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise MalformedRequest(f"{text!r} in the path is not UTF-8") from None
