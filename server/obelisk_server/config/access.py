"""Who may use a listener, and under which names it is reached: `[[token]]`, and keys of `[server]` and `[webhooks]`."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from obelisk_runtime.core.ids import Instant
from obelisk_server.config.toml_lines import KeyPath
from obelisk_server.config.values import STRICT, Interpolated, Listen, Name, surroundings_of
from obelisk_server.endpoints import Scope

HASH_PATTERN = "^sha256:[0-9a-f]{64}$"
EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - to recognise it
_WITHOUT_TOKENS = (
    "anybody could run anything; make one with `obelisk token new`, or listen on 127.0.0.1, or write insecure = true"
)
_HASH = re.compile(HASH_PATTERN)
_FUNCTIONS = re.compile(r"[a-z][a-z0-9:/@.-]*\*?")
_HOST = re.compile(r"[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")


def _hash(text: Any) -> str:
    if not isinstance(text, str) or _HASH.fullmatch(text) is None:
        raise ValueError('expected "sha256:" and 64 hexadecimal digits, as `obelisk token new` prints it')
    return text


def _functions(text: str) -> str:
    if _FUNCTIONS.fullmatch(text) is None:
        raise ValueError(f'found {text!r}, expected the beginning of function names and a "*", such as "shop:*"')
    return text


def _host(text: str) -> str:
    if _HOST.fullmatch(text) is None:
        raise ValueError(f'found {text!r}, expected a name without a port, such as "obelisk.example.com"')
    return text.lower()


def _origin(text: str) -> str:
    if _ORIGIN.fullmatch(text) is None:
        raise ValueError(f'found {text!r}, expected what a browser sends, such as "https://obelisk.example.com"')
    return text


def _expiry(value: Any) -> Instant:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"found {value}, expected a time with its zone and without quotes: 2030-01-01T00:00:00Z")
    return Instant(int(value.astimezone(UTC).timestamp() * 1_000_000))


class TokenTable(BaseModel):
    """A token that clients show. The token itself is not here, only its hash."""

    model_config = STRICT

    name: Annotated[Name, Field(description="Who uses it: named in event logs and in the audit log")]
    hash: Annotated[
        str,
        BeforeValidator(_hash),
        WithJsonSchema({"type": "string", "pattern": HASH_PATTERN}),
        Field(description="`sha256:` and the hash of the token; `obelisk token new` makes both"),
    ]
    scopes: Annotated[
        tuple[Annotated[Scope, Field(strict=False)], ...],
        Field(strict=False, min_length=1, description="What it allows"),
    ]
    functions: Annotated[
        tuple[Annotated[str, AfterValidator(_functions)], ...] | None,
        Field(
            strict=False,
            min_length=1,
            description='Functions that it is limited to: names, or beginnings such as "shop:*"; absent: all',
        ),
    ] = None
    expires: Annotated[
        int | None,
        BeforeValidator(_expiry),
        WithJsonSchema({"type": "string", "format": "date-time"}),
        Field(description="With its zone, without quotes: 2030-01-01T00:00:00Z; absent: never"),
    ] = None

    @field_validator("functions")
    @classmethod
    def _does_not_limit_an_admin(cls, found: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if found is not None and Scope.ADMIN in info.data.get("scopes", ()):
            raise ValueError('a token with the scope "admin" is for the whole server; give it no functions')
        return found


class TlsTable(BaseModel):
    """What a listener proves its name with."""

    model_config = STRICT

    certificate: Annotated[Interpolated, Field(min_length=1, description="PEM: the certificate, then those above it")]
    key: Annotated[Interpolated, Field(min_length=1, description="PEM: its private key, without a passphrase")]

    @field_validator("certificate", "key")
    @classmethod
    def _absolute(cls, text: str, info: ValidationInfo) -> str:
        return str(surroundings_of(info).folder / text)


HostName = Annotated[str, AfterValidator(_host)]
Origin = Annotated[str, AfterValidator(_origin)]


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """A token as configured."""

    name: str
    hash: bytes
    """SHA-256 of the token. Tokens are 256 random bits: a slow hash would protect them no better."""
    scopes: frozenset[Scope]
    """With all that is included in them."""
    functions: tuple[str, ...] | None
    """Names, or beginnings with a `*`; None: all."""
    expires: Instant | None


@dataclass(frozen=True, slots=True)
class TlsFiles:
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who may use the API."""

    tokens: tuple[TokenSettings, ...] = ()
    """None: anybody who reaches it may do anything."""
    hosts: frozenset[str] = frozenset()
    """Names, beside those of loopback, that requests may give as Host, in lower case and without port."""
    origins: frozenset[str] = frozenset()
    """Origins of pages, beside those of the server itself."""
    tls: TlsFiles | None = None
    loopback: bool = True
    """Whether only this machine reaches it."""
    insecure: bool = False
    """Whether other machines may reach it although there are no tokens."""

    @property
    def open_to_others(self) -> bool:
        """Whether whoever reaches it may do anything, and nobody said that this is meant."""
        return not (self.loopback or self.tokens or self.insecure)


def token_settings(table: TokenTable) -> TokenSettings:
    scopes = frozenset[Scope]().union(*(scope.included for scope in table.scopes))
    hash_ = bytes.fromhex(table.hash.removeprefix("sha256:"))
    expires = None if table.expires is None else Instant(table.expires)
    return TokenSettings(table.name, hash_, scopes, table.functions, expires)


def tls_files(table: TlsTable | None) -> TlsFiles | None:
    return None if table is None else TlsFiles(Path(table.certificate), Path(table.key))


def own_name(listen: Listen) -> Iterator[str]:
    """As in a Host. All addresses at once are no name: browsers let any page ask for 0.0.0.0."""
    if listen.host not in EVERY_ADDRESS:
        yield str(listen).rpartition(":")[0].lower()


def access_problems(listen: Listen, tokens: Sequence[TokenTable], *, insecure: bool) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with a listener and its tokens together."""
    if not (listen.loopback or tokens or insecure):
        yield (
            ("server", "listen"),
            f"{str(listen)!r} can be reached from other machines, and there are no tokens: {_WITHOUT_TOKENS}",
        )
    for key in ("name", "hash"):
        seen = Counter[str]()
        for index, token in enumerate(tokens):
            value = getattr(token, key)
            seen[value] += 1
            if seen[value] == 2:
                yield ("token", index, key), f"another token has this {key}; each token needs its own"
