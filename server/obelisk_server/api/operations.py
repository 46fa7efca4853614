"""Every operation of the API: one table, from which requests are dispatched."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from obelisk_runtime.service import Service
from obelisk_server.api import wire
from obelisk_server.api.turns import Turns
from obelisk_server.api.waits import Waits
from obelisk_server.setup import Reloaded

Query = TypeVar("Query", bound=wire.Request)
Body = TypeVar("Body", bound=wire.Request)


@dataclass(slots=True)
class Context:
    """What operations work with."""

    service: Service
    waits: Waits
    reload: Callable[[], Awaitable[Reloaded]] | None = None
    """Take obelisk.toml again; None where there is none. Raises: InvalidSetup."""
    ready: bool = False
    lists: Turns = field(default_factory=Turns)


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """A request whose parts were checked."""

    path: Mapping[str, str]
    query: Query
    body: Body


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: wire.Answer | Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Operation(Generic[Query, Body]):
    name: str
    method: str
    path: str
    """With `{name}` for a segment that varies."""
    handler: Callable[[Context, Call[Query, Body]], Awaitable[Reply]]
    query: type[Query]
    body: type[Body]
    """`Nothing` for a method without body."""
    body_bytes_max: int | None = None
    """None: what a payload may have."""

    @property
    def summary(self) -> str:
        """What it does, for people: the handler's docstring."""
        return (self.handler.__doc__ or "").partition("\n")[0]


AnyOperation = Operation[Any, Any]


def json_bytes(reply: Reply) -> bytes:
    return msgspec.json.encode(reply.body)


class Routes:
    """Operations by path and method."""

    def __init__(self, operations: Sequence[AnyOperation]) -> None:
        self._literal: dict[str, dict[str, AnyOperation]] = {}
        self._varying: dict[int, list[tuple[tuple[str, ...], dict[str, AnyOperation]]]] = {}
        methods: dict[str, dict[str, AnyOperation]] = {}
        for operation in operations:
            methods.setdefault(operation.path, {})[operation.method] = operation
        for path, by_method in methods.items():
            segments = tuple(path.split("/"))
            if "{" in path:
                self._varying.setdefault(len(segments), []).append((segments, by_method))
            else:
                self._literal[path] = by_method

    def find(self, path: str) -> tuple[Mapping[str, AnyOperation], Mapping[str, str]] | None:
        """(operations by method, the segments that vary, still percent-encoded) of a path; None: there is nothing."""
        literal = self._literal.get(path)
        if literal is not None:
            return literal, {}
        segments = path.split("/")
        for pattern, by_method in self._varying.get(len(segments), ()):
            found = _match(pattern, segments)
            if found is not None:
                return by_method, found
        return None


def _match(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            found[expected[1:-1]] = segment
        elif expected != segment:
            return None
    return found
