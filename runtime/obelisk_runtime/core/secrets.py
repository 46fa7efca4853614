"""Secrets: values that nobody may see, what guests get in their place, and what takes them out of records."""

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.percent import percent_encode

SECRET_BYTES_MIN = 8
"""A shorter one could not be told from other text, so it could not be taken out of records."""
_PLACEHOLDER = "obelisk-secret-"
_BASIC = re.compile(rb"(basic +)([A-Za-z0-9+/]+=*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value; its representation does not show it."""

    value: bytes

    def __repr__(self) -> str:
        return "Secret(...)"


@dataclass(frozen=True, slots=True)
class GrantedSecret:
    """One that a guest call may use, though not see."""

    name: str
    placeholder: bytes
    secret: Secret


class SecretNotAllowed(ObeliskError):
    """A placeholder on its way to where the secret must not go."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the placeholder of the secret {name} {reason}")


def placeholder(random: bytes) -> str:
    """Unguessable if `random` is 16 random bytes. All are of one length."""
    return _PLACEHOLDER + random.hex()


class Placeholders:
    """Puts values in the place of placeholders in one request. Raises SecretNotAllowed for one it may not have."""

    def __init__(self, granted: Iterable[GrantedSecret], allowed: frozenset[str]) -> None:
        self._granted = {item.placeholder: item for item in granted}
        self._allowed = allowed
        self._pattern = re.compile(b"|".join(map(re.escape, self._granted)) or rb"(?!)")
        self.any = bool(self._granted)
        """False: there is nothing to look for."""
        self.fills = any(item.name in allowed for item in self._granted.values())
        """False: there is nothing to put in."""

    def in_header(self, value: bytes) -> bytes:
        """Also within the credentials of `Basic`."""
        basic = _BASIC.fullmatch(value) if self.any else None
        if basic is not None:
            value = basic[1] + self._in_base64(basic[2])
        filled = self.fill(value)
        if filled != value and re.search(rb"[\r\n\0]", filled):
            raise SecretNotAllowed(self._names_in(value), "is in a header, and its value has more than one line")
        return filled

    def in_query(self, query: str) -> str:
        return self._pattern.sub(lambda match: percent_encode(self._value(match)).encode(), query.encode()).decode()

    def nowhere_in(self, text: str, where: str) -> None:
        found = self._names_in(text.encode())
        if found:
            raise SecretNotAllowed(found, f"is in {where}; it may be in headers, the query and the body")

    def fill(self, data: bytes) -> bytes:
        return self._pattern.sub(self._value, data) if self.any else data

    def held_back(self, data: bytes) -> int:
        """How many bytes at the end may be the beginning of a placeholder."""
        longest = min(len(data), max(map(len, self._granted), default=1) - 1)
        return next(
            (size for size in range(longest, 0, -1) if any(name.startswith(data[-size:]) for name in self._granted)), 0
        )

    def _value(self, match: re.Match[bytes]) -> bytes:
        granted = self._granted[match[0]]
        if granted.name not in self._allowed:
            raise SecretNotAllowed(granted.name, "was on its way to a host that may not have it")
        return granted.secret.value

    def _in_base64(self, encoded: bytes) -> bytes:
        try:
            decoded = b64decode(encoded, validate=True)
        except NotBase64:
            return encoded
        return b64encode(self.fill(decoded)) if self._names_in(decoded) else encoded

    def _names_in(self, data: bytes) -> str:
        found = (self._granted[match].name for match in self._pattern.findall(data))
        return ", ".join(sorted(set(found)))


class Filling:
    """`Placeholders.fill` for a body that comes in pieces: one across a border is found too."""

    def __init__(self, placeholders: Placeholders) -> None:
        self._placeholders = placeholders
        self._tail = b""
        self.grown = 0
        """By how many bytes it became longer."""

    def feed(self, chunk: bytes) -> bytes:
        """What can go on. Raises: SecretNotAllowed."""
        if not self._placeholders.any:
            return chunk
        data = self._tail + chunk
        held = self._placeholders.held_back(data)
        ready, self._tail = data[: len(data) - held], data[len(data) - held :]
        filled = self._placeholders.fill(ready)
        self.grown += len(filled) - len(ready)
        return filled

    def end(self) -> bytes:
        tail, self._tail = self._tail, b""
        return tail


class Redactor:
    """Takes known secrets out of text, also where they are percent-encoded, in base64 (of more than the secret, too) or
    in JSON, and the lines of one that has several."""

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        self._names = {form: name for name, secret in secrets.items() for form in _forms(secret.value)}
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def redact(self, text: str) -> str:
        return self._pattern.sub(self._mark, text) if self._names else text

    def _mark(self, match: re.Match[str]) -> str:
        return f"[secret {self._names[match[0]]}]"


def _forms(value: bytes) -> set[str]:
    text, encoded = value.decode(errors="replace"), b64encode(value).decode()
    quoted = (percent_encode(value), percent_encode(value, safe=b"/"))
    lines = (line for line in text.splitlines() if len(line) >= SECRET_BYTES_MIN)
    return {text, *lines, *quoted, json.dumps(text)[1:-1], encoded, encoded.rstrip("="), *_within_base64(value)}


def _within_base64(value: bytes) -> Iterator[str]:
    """What is always the same of a longer text's base64, wherever the value is in it; also with the other alphabet."""
    for before in range(3):
        encoded = b64encode(bytes(before) + value).decode()
        first, end = -(-before * 8 // 6), (before + len(value)) * 8 // 6
        yield encoded[first:end]
        yield encoded[first:end].replace("+", "-").replace("/", "_")
