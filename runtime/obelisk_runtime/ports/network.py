"""What a guest call may do on the network."""

from collections.abc import Sequence
from dataclasses import dataclass

from obelisk_runtime.core.allowed_hosts import AllowedHost
from obelisk_runtime.core.deployment import HttpLimits
from obelisk_runtime.core.secrets import GrantedSecret


@dataclass(frozen=True, slots=True)
class NetworkGrants:
    """Of one guest call."""

    component: str
    """Its name: connections are counted by it."""
    allowed: Sequence[AllowedHost]
    limits: HttpLimits
    secrets: Sequence[GrantedSecret] = ()
