"""Problem details (RFC 9457) as answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from obelisk_runtime.core.errors import ObeliskError

TYPE = "urn:obelisk:problem:"
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
SERVER = "obelisk"


def _nothing(_: Any) -> dict[str, Any]:
    return {}


def retry_soon(_: Any) -> Mapping[str, str]:
    """Headers of what may be answered otherwise in a moment."""
    return {"Retry-After": str(RETRY_AFTER_SECONDS)}


@dataclass(frozen=True, slots=True)
class ProblemType:
    status: int
    slug: str
    title: str
    fields: Callable[[Any], dict[str, Any]] = _nothing
    """Members beside the standard ones, of an error."""
    headers: Callable[[Any], Mapping[str, str]] = _nothing
    """The same."""

    @property
    def uri(self) -> str:
        return TYPE + self.slug


INTERNAL = ProblemType(500, "internal-error", "The server failed; its log has the reason")

NO_HTTP = ProblemType(400, "no-http", "This is no HTTP")
TOO_MANY_CONNECTIONS = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
"""Before anything was read; the connection is closed then."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What was wrong with one request."""

    type: ProblemType
    detail: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def lookup(table: Mapping[type[ObeliskError], ProblemType], error: ObeliskError) -> ProblemType:
    """The row of the error's class, or of its nearest base."""
    return next((table[base] for base in type(error).__mro__ if base in table), INTERNAL)


def problem_of(table: Mapping[type[ObeliskError], ProblemType], error: ObeliskError) -> Problem:
    found = lookup(table, error)
    return Problem(found, str(error), found.fields(error), found.headers(error))


def problem_response(problem: Problem) -> web.Response:
    found = problem.type
    members = {"type": found.uri, "title": found.title, "status": found.status, "detail": problem.detail}
    return web.Response(
        body=msgspec.json.encode({**members, **problem.fields}),
        status=found.status,
        headers={**problem.headers, "Content-Type": MEDIA_TYPE, "Server": SERVER},
    )
