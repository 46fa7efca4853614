"""Every operation of the API: what it takes, answers and refuses. Dispatch and documentation are made from it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.service import Service
from obelisk_server.access import LOCAL, Audit, Caller, Guard
from obelisk_server.api import wire
from obelisk_server.api.followers import Followers
from obelisk_server.api.turns import Turns
from obelisk_server.api.waits import Waits
from obelisk_server.config.access import AccessSettings
from obelisk_server.endpoints import ENDPOINTS, Endpoint
from obelisk_server.serving import HttpFigures
from obelisk_server.setup import Reloaded

JSON = "application/json"
WIDE = "{function}"
"""The varying segment that may also be two: full names of functions have a slash."""

ONE = "{id}"
"""The varying segment that is an execution."""

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
    followers: Followers = field(init=False)
    http: HttpFigures = field(default_factory=HttpFigures)
    guard: Guard = field(default_factory=lambda: Guard(AccessSettings(), lambda: 0))
    """Without tokens, for this machine only, if no other is given."""
    audit: Audit = field(default_factory=Audit)
    document: Callable[[Caller], bytes] = lambda _: b"{}"  # the listener gives the real one
    """The OpenAPI document of what is deployed now and somebody may use."""
    operations: "Sequence[AnyOperation]" = ()  # the listener gives all it has

    def __post_init__(self) -> None:
        self.followers = Followers(self.service.subscribe)


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """A request whose parts were checked."""

    path: Mapping[str, str]
    query: Query
    body: Body
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    caller: Caller = LOCAL


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any
    """What becomes JSON, or bytes as they are."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    media_type: str = JSON
    executions: Sequence[str] = ()
    """For the audit log: those that were created, or changed where the path does not say which."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer without a known end: parts as they come, until the client leaves or the server stops.

    What is refused is refused before the first part.
    """

    parts: AsyncGenerator[bytes]
    media_type: str


@dataclass(frozen=True, slots=True)
class Operation(Generic[Query, Body]):
    name: str
    """One of `ENDPOINTS`, which has its method, path, scope and what the same request again does."""
    handler: Callable[[Context, Call[Query, Body]], Awaitable[Reply | Stream]]
    query: type[Query]
    body: type[Body]
    """`Nothing` for a method without body."""
    answer: Any
    """The type of the JSON it answers."""
    errors: tuple[type[ObeliskError], ...] = ()
    """What it may refuse with, beside what any request may be refused with (`problems.refusals_of`)."""
    statuses: tuple[int, ...] = (200,)
    """Of its answers."""
    body_bytes_max: int | None = None
    """None: what a payload may have."""
    media_type: str = JSON
    headers: tuple[str, ...] = ()
    """Headers of the request that it looks at."""
    minds_functions: bool = False
    """It keeps to the functions that a caller is limited to. Others are refused to limited callers, but for those on
    one execution (`{id}`), which is looked at before they are called."""

    @property
    def endpoint(self) -> Endpoint:
        return ENDPOINTS[self.name]

    def open_to(self, caller: Caller) -> bool:
        """Whether its scope and its functions let a caller use it at all."""
        scope = self.endpoint.scope
        if scope is None:
            return True
        return scope in caller.scopes and (not caller.limited or self.minds_functions or ONE in self.endpoint.path)

    @property
    def summary(self) -> str:
        """What it does, for people: the handler's docstring."""
        return (self.handler.__doc__ or "").partition("\n")[0]


AnyOperation = Operation[Any, Any]


def answer_bytes(reply: Reply) -> bytes:
    return reply.body if isinstance(reply.body, bytes) else msgspec.json.encode(reply.body)


class Routes:
    """Operations by path and method."""

    def __init__(self, operations: Sequence[AnyOperation]) -> None:
        self._literal: dict[str, dict[str, AnyOperation]] = {}
        self._varying: dict[int, list[tuple[tuple[str, ...], dict[str, AnyOperation]]]] = {}
        methods: dict[str, dict[str, AnyOperation]] = {}
        for operation in operations:
            endpoint = operation.endpoint
            methods.setdefault(endpoint.path, {})[endpoint.method] = operation
        for path, by_method in methods.items():
            if "{" in path:
                self._vary(path, by_method)
                self._vary(path.replace(WIDE, "{function}/{function}"), by_method)
            else:
                self._literal[path] = by_method

    def _vary(self, path: str, by_method: dict[str, AnyOperation]) -> None:
        segments = tuple(path.split("/"))
        same_length = self._varying.setdefault(len(segments), [])
        if all(known != segments for known, _ in same_length):
            same_length.append((segments, by_method))
            same_length.sort(key=lambda route: sum(segment[:1] == "{" for segment in route[0]))

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
    """A name that occurs twice stands for both segments, joined again."""
    found: dict[str, str] = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            name = expected[1:-1]
            found[name] = f"{found[name]}/{segment}" if name in found else segment
        elif expected != segment:
            return None
    return found
