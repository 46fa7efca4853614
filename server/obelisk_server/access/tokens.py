"""Tokens and their hashes.

A token is 256 random bits, so it cannot be guessed, and a plain SHA-256 hides it: what makes a slow, salted hash
necessary is that people choose passwords that can be guessed.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from obelisk_server.access.callers import Caller
from obelisk_server.config.access import TokenSettings

PREFIX = "obelisk_"
"""So that scanners of repositories and logs recognise one."""
TOKEN_BYTES = 32


def new_token(random: bytes) -> tuple[str, str]:
    """(the token, its hash as in obelisk.toml) of TOKEN_BYTES random bytes."""
    assert len(random) == TOKEN_BYTES
    token = PREFIX + base64.urlsafe_b64encode(random).rstrip(b"=").decode()
    return token, "sha256:" + hashlib.sha256(token.encode()).hexdigest()


class Keyring:
    """The tokens of a configuration."""

    def __init__(self, tokens: Sequence[TokenSettings]) -> None:
        self._tokens = [(token, Caller(token.name, token.scopes, token.functions, token.hash)) for token in tokens]

    def __len__(self) -> int:
        return len(self._tokens)

    def caller(self, shown: str, now: int) -> Caller | None:
        """Whose token it is; None: nobody's, or it has expired.

        Every hash is compared, each in constant time, so that how long it takes tells nothing.
        """
        digest = hashlib.sha256(shown.encode(errors="surrogateescape")).digest()
        found = None
        for token, caller in self._tokens:
            same = hmac.compare_digest(token.hash, digest)
            found = caller if same and not _expired(token, now) else found
        return found

    def has(self, caller: Caller, now: int) -> bool:
        """Whether this one, by the same token and with the same rights, is let in still."""
        return any(known == caller and not _expired(token, now) for token, known in self._tokens)


def _expired(token: TokenSettings, now: int) -> bool:
    return token.expires is not None and token.expires <= now
