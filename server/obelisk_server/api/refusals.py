"""Requests that HTTP itself, or the API, refuses before the service sees them."""

from collections.abc import Sequence

from obelisk_runtime.core.errors import ObeliskError


class MalformedBody(ObeliskError):
    """The body is no JSON, or is nested too deep to be read."""


class InvalidRequest(ObeliskError):
    """A field of the body or query is unknown, missing or of the wrong type."""


class UnsupportedMediaType(ObeliskError):
    def __init__(self, found: str) -> None:
        super().__init__(f"the content type is {found or 'not given'!r}; send JSON with Content-Type: application/json")


class CompressedBody(ObeliskError):
    def __init__(self, found: str) -> None:
        super().__init__(f"the Content-Encoding is {found!r}; send the body as it is, without one")


class PathNotFound(ObeliskError):
    def __init__(self, path: str) -> None:
        super().__init__(f"there is nothing at {path}; the API is under /v1")


class MethodNotAllowed(ObeliskError):
    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not possible here; allowed is {', '.join(allowed)}")
        self.allowed = tuple(allowed)


class TooManyRequests(ObeliskError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} requests are being answered already; try again soon")


class NotReady(ObeliskError):
    """The server starts or stops."""


class TooSlow(ObeliskError):
    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body was not complete after {seconds:.0f} s")


class TokenNeeded(ObeliskError):
    """A call for many executions without the token of a dry run with the same filter."""


class MoreMatch(ObeliskError):
    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"{found} executions match now, {expected} did in the dry run; look at them in another one")
        self.expected = expected
        self.found = found
