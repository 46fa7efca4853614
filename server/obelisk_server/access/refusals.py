"""Why somebody is not let in."""

from collections.abc import Mapping

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.endpoints import Scope

REALM = 'Bearer realm="obelisk"'


class Refusal(ObeliskError):
    """With the headers that HTTP wants in its answer."""

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers: Mapping[str, str] = headers or {}


class ForeignRequest(Refusal):
    """The Host or Origin is not this server's: a page elsewhere may be trying to drive it."""


class TokenRefused(Refusal):
    """No token was shown, or one that is not valid (RFC 6750)."""

    def __init__(self, *, shown: bool) -> None:
        reason = "the token is not one of this server, or has expired" if shown else "this server wants a token"
        challenge = f'{REALM}, error="invalid_token"' if shown else REALM
        super().__init__(f"{reason}; send Authorization: Bearer TOKEN", {"WWW-Authenticate": challenge})


class TooManyFailures(Refusal):
    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"too many tokens from this address were wrong; try again in {seconds} s", {"Retry-After": str(seconds)}
        )


class ScopeNeeded(Refusal):
    def __init__(self, name: str, scope: Scope) -> None:
        challenge = f'{REALM}, error="insufficient_scope", scope="{scope}"'
        super().__init__(
            f"this needs the scope {scope.value!r}, which the token {name} does not have",
            {"WWW-Authenticate": challenge},
        )
        self.scope = scope


class BeyondToken(Refusal):
    """The token is for some functions only, and this concerns others, or all."""

    def __init__(self, name: str, what: str, functions: tuple[str, ...]) -> None:
        super().__init__(f"the token {name} is limited to {', '.join(functions)}, and {what}")
