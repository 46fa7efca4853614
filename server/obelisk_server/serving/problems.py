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
RETRY = {"Retry-After": str(RETRY_AFTER_SECONDS)}
SERVER = "obelisk"


def _no_fields(_: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class ProblemType:
    status: int
    slug: str
    title: str
    fields: Callable[[Any], dict[str, Any]] = _no_fields
    """Members beside the standard ones."""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def uri(self) -> str:
        return TYPE + self.slug


INTERNAL = ProblemType(500, "internal-error", "The server failed; its log has the reason")


def lookup(table: Mapping[type[ObeliskError], ProblemType], error: ObeliskError) -> ProblemType:
    """The row of the error's class, or of its nearest base."""
    return next((table[base] for base in type(error).__mro__ if base in table), INTERNAL)


def problem_body(problem: ProblemType, detail: str, fields: dict[str, Any]) -> bytes:
    return msgspec.json.encode(
        {"type": problem.uri, "title": problem.title, "status": problem.status, "detail": detail, **fields}
    )


def problem_response(problem: ProblemType, detail: str, fields: dict[str, Any]) -> web.Response:
    return web.Response(
        body=problem_body(problem, detail, fields),
        status=problem.status,
        headers={**problem.headers, "Content-Type": MEDIA_TYPE, "Server": SERVER},
    )
