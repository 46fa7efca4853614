"""What a guest call may do on the network, and what is told of what it did."""

from collections.abc import Sequence
from dataclasses import dataclass

from obelisk_runtime.core.allowed_hosts import AllowedHost
from obelisk_runtime.core.deployment import HttpLimits
from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.secrets import GrantedSecret


@dataclass(frozen=True, slots=True)
class NetworkGrants:
    """Of one guest call."""

    component: str
    """Its name: connections are counted by it."""
    allowed: Sequence[AllowedHost]
    limits: HttpLimits
    secrets: Sequence[GrantedSecret] = ()


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
