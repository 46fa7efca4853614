"""Decides about each request to the API: is it meant for this server, whose is it, may they."""

import re
from collections.abc import Callable, Mapping

from obelisk_server.access.callers import ANONYMOUS, LOCAL, Caller
from obelisk_server.access.failures import Failures
from obelisk_server.access.refusals import ForeignRequest, TokenRefused, TooManyFailures
from obelisk_server.access.tokens import Keyring
from obelisk_server.config.access import AccessSettings

_LOOPBACK_HOST = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
_PORT = re.compile(r":[0-9]{1,5}$")
_SCHEME = "bearer "


class Guard:
    """What it goes by can be replaced at any time."""

    def __init__(self, settings: AccessSettings, now: Callable[[], int]) -> None:
        """`now`: microseconds."""
        self._now = now
        self._failures = Failures()
        self.replace(settings)

    def replace(self, settings: AccessSettings) -> None:
        self._settings = settings
        self._keyring = Keyring(settings.tokens)

    @property
    def wants_tokens(self) -> bool:
        return bool(self._keyring)

    def refuse_foreign(self, headers: Mapping[str, str]) -> None:
        """A page elsewhere can make a browser send requests here: under a foreign name, or with its own origin.

        Raises: ForeignRequest.
        """
        host = headers.get("Host", "")
        name = _PORT.sub("", host).lower()
        if name not in self._settings.hosts and _LOOPBACK_HOST.fullmatch(name) is None:
            known = ", ".join(["localhost", *sorted(self._settings.hosts)])
            raise ForeignRequest(f"the Host is {host!r}; expected one of {known} ([server] hosts)")
        origin = headers.get("Origin")
        if origin is not None and not same_origin(origin, host) and origin not in self._settings.origins:
            raise ForeignRequest(f"the Origin is {origin!r}, which is not this server ([server] origins)")

    def admit(self, headers: Mapping[str, str], address: str) -> Caller:
        """Who asks from this address. Raises: TokenRefused, TooManyFailures."""
        if not self._keyring:
            return self._without_tokens
        authorization = headers.get("Authorization", "")
        if not authorization:
            raise TokenRefused(shown=False)
        now = self._now()
        wait = self._failures.blocked_seconds(address, now)
        caller = self._keyring.caller(_shown(authorization), now)
        if wait and (caller is None or not self._failures.knows(address, caller.name)):
            raise TooManyFailures(wait)
        if caller is None:
            self._failures.failed(address, now)
            raise TokenRefused(shown=True)
        self._failures.accepted(address, caller.name)
        return caller

    @property
    def _without_tokens(self) -> Caller:
        return LOCAL if self._settings.loopback else ANONYMOUS

    def holds(self, caller: Caller) -> bool:
        """Whether somebody who was let in would be let in now: for what takes long."""
        return self._keyring.has(caller, self._now()) if self._keyring else caller == self._without_tokens


def same_origin(origin: str, host: str) -> bool:
    """Whether the page that lets a browser ask is of the very server that it asks, by whatever name."""
    return origin in {f"http://{host}", f"https://{host}"}


def _shown(authorization: str) -> str:
    return authorization[len(_SCHEME) :].strip() if authorization[: len(_SCHEME)].lower() == _SCHEME else ""
