"""What a registry's 401 asks for (RFC 9110, section 11; the token flow of the distribution specification)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PART = re.compile(
    r"""\s*,?\s*(?:
        (?P<key>[A-Za-z0-9_-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))
        |(?P<scheme>[A-Za-z][A-Za-z0-9_-]*)(?=\s|,|$)
    )""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class BasicChallenge:
    pass


@dataclass(frozen=True, slots=True)
class BearerChallenge:
    realm: str
    """The address that gives tokens."""
    service: str | None
    scope: str | None


Challenge = BasicChallenge | BearerChallenge


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges of a WWW-Authenticate header that a registry may use; others, and broken ones, are left out."""
    found: list[Challenge] = []
    for scheme, fields in _schemes(header):
        if scheme == "basic":
            found.append(BasicChallenge())
        elif scheme == "bearer" and "realm" in fields:
            found.append(BearerChallenge(fields["realm"], fields.get("service"), fields.get("scope")))
    return tuple(found)


def _schemes(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    scheme: str | None = None
    fields: dict[str, str] = {}
    for part in _PART.finditer(header):
        if part["scheme"]:
            if scheme is not None:
                yield scheme, fields
            scheme, fields = part["scheme"].lower(), {}
        else:
            value = part["plain"] if part["quoted"] is None else _ESCAPE.sub(r"\1", part["quoted"])
            fields[part["key"].lower()] = value
    if scheme is not None:
        yield scheme, fields
