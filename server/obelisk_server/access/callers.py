"""Who asks, and what they may."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from obelisk_runtime.core.names import Ffqn, is_among
from obelisk_server.access.refusals import BeyondToken, ScopeNeeded
from obelisk_server.endpoints import Scope

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Caller:
    name: str
    """Of the token; or `local`, or `anonymous` from other machines, where there are no tokens."""
    scopes: frozenset[Scope] = frozenset(Scope)
    functions: tuple[str, ...] | None = None
    """Names, or beginnings with a `*`, that it is limited to; None: all."""
    token: bytes = field(default=b"", repr=False)
    """The hash of what was shown: another token of the same name is another caller."""

    @property
    def limited(self) -> bool:
        return self.functions is not None

    def reason(self, done: str, given: str | None) -> str:
        """For an event log: who did it, and why."""
        if self in {LOCAL, ANONYMOUS}:
            return given or f"{done} by a client"
        return f"{done} by {self.name}: {given}" if given else f"{done} by {self.name}"

    def require(self, scope: Scope) -> None:
        """Raises: ScopeNeeded."""
        if scope not in self.scopes:
            raise ScopeNeeded(self.name, scope)

    def permits(self, function: Ffqn) -> bool:
        return self.functions is None or is_among(function.text, self.functions)

    def require_function(self, function: Ffqn) -> None:
        """Raises: BeyondToken."""
        if not self.permits(function):
            raise self.beyond(f"not to {function}")

    def beyond(self, what: str) -> BeyondToken:
        return BeyondToken(self.name, what, self.functions or ())

    def permitted(self, functions: Mapping[Ffqn, Item]) -> Mapping[Ffqn, Item]:
        """Those that it may know of; the very same mapping if that is all."""
        if self.functions is None:
            return functions
        return {name: item for name, item in functions.items() if self.permits(name)}


LOCAL = Caller("local")
ANONYMOUS = Caller("anonymous")
"""From other machines, where that is allowed."""
