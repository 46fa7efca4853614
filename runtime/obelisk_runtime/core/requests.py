"""HTTP requests that guests made, as they are recorded."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from obelisk_runtime.core.ids import Instant


@dataclass(frozen=True, slots=True)
class RequestMade:
    """An HTTP request of a guest that has ended, in whatever way. No secret is in it."""

    at: Instant
    """When the guest made it."""
    method: str
    url: str
    status: int | None
    """None: no response came."""
    error: str | None
    """A case of wasi:http's `error-code`, or `cancelled`: the guest, or its attempt, did not wait for the end."""
    detail: str
    """Why, for people."""
    sent: int
    """Bytes of the request's body."""
    received: int
    """Bytes of the response's body."""
    head_after: int | None
    """Microseconds until the head of the response was there; None: it never was."""
    duration: int
    """Microseconds until its end."""

    def redacted(self, redact: Callable[[str], str]) -> "RequestMade":
        """With what `redact` makes of its texts."""
        return replace(self, url=redact(self.url), detail=redact(self.detail))
