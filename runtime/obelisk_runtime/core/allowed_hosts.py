"""Which HTTP requests a component may make: nothing but what an entry of `allowed_hosts` says.

A pattern is `scheme://host[:port]`. The scheme is `http`, `https` or `*`; the port a number, `*`, or the scheme's own
if it is left out; the host a name, `*.name` for every name below it, `*` for every host, or an address. A pattern alone
leads to public addresses only: `private` adds loopback and private networks, an address leads to itself, `localhost`
to loopback addresses.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from obelisk_runtime.core.addresses import Address, Host, InvalidHost, Reach, parse_host, reach_of
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.percent import percent_decode

PORTS = {"http": 80, "https": 443}
_ANY = "*"
_PATTERN = re.compile(r"(?P<scheme>[a-z*]+)://(?P<host>\[[^\]]*\]|[^:/?#@]*)(?::(?P<port>[0-9]{1,5}|\*))?")
_METHOD = re.compile(r"[A-Z][A-Z0-9_-]*")
_AMBIGUOUS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)|//|\\|;|[^\x20-\x7e]")
"""In a decoded path: what servers do not agree on."""
_ENCODED_SEPARATOR = re.compile(r"%(?:2f|5c)", re.IGNORECASE)


class InvalidPattern(ObeliskError):
    """An entry of `allowed_hosts` that means nothing; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry, made by `allow`."""

    pattern: str
    scheme: str
    host: Host
    port: int | None
    """None: the scheme's own; 0: any."""
    reaches: frozenset[Reach]
    methods: frozenset[str] = frozenset()
    """Empty: any."""
    paths: tuple[str, ...] = ()
    """Empty: any."""
    secrets: frozenset[str] = frozenset()
    """Names of the secrets that a request to it may carry."""


@dataclass(frozen=True, slots=True)
class Destination:
    """What a request asks of whom."""

    method: str
    scheme: str
    host: Host
    port: int
    path: str
    """Without the query, as it is sent."""

    def __str__(self) -> str:
        return f"{self.method} {self.scheme}://{host_text(self.host)}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Permit:
    """A request may be made: to addresses of these kinds, with these secrets."""

    reaches: frozenset[Reach]
    secrets: frozenset[str]

    def leads_to(self, address: Address) -> bool:
        return reach_of(address) in self.reaches


@dataclass(frozen=True, slots=True)
class Denied:
    reason: str
    by_address: bool = False
    """The host is allowed, and what its address leads to is not."""


def allow(
    pattern: str,
    *,
    methods: Iterable[str] = (),
    paths: Iterable[str] = (),
    private: bool = False,
    secrets: Iterable[str] = (),
) -> AllowedHost:
    """Raises: InvalidPattern."""
    match = _PATTERN.fullmatch(pattern)
    if match is None or match["scheme"] not in (*PORTS, _ANY):
        raise InvalidPattern(f"found {pattern!r}, expected {EXPECTED}")
    port = _port(pattern, match["port"])
    host = _host_pattern(pattern, match["host"])
    return AllowedHost(
        pattern=pattern,
        scheme=match["scheme"],
        host=host,
        port=port,
        reaches=_reaches(pattern, host, private=private),
        methods=frozenset(map(_method, methods)),
        paths=tuple(map(_path_pattern, paths)),
        secrets=frozenset(secrets),
    )


EXPECTED = (
    'a pattern "SCHEME://HOST[:PORT]" such as "https://api.example.com", "https://*.example.com:8443" or "http://*"'
)


def decide(allowed: Sequence[AllowedHost], asked: Destination) -> Permit | Denied:
    """All entries that fit count together."""
    reaching = [entry for entry in allowed if _fits_host(entry, asked)]
    if not reaching:
        where = f"{asked.scheme}://{host_text(asked.host)}:{asked.port}"
        return Denied(f"no pattern of allowed_hosts fits {where}")
    fitting = [entry for entry in reaching if not entry.methods or asked.method in entry.methods]
    if not fitting:
        return Denied(f"allowed_hosts does not allow {asked.method} for {reaching[0].pattern}")
    fitting = [entry for entry in fitting if _fits_path(entry, asked.path)]
    if not fitting:
        return Denied(f"allowed_hosts does not allow this path for {reaching[0].pattern}")
    permit = Permit(
        frozenset[Reach]().union(*(entry.reaches for entry in fitting)),
        frozenset[str]().union(*(entry.secrets for entry in fitting)),
    )
    if isinstance(asked.host, Address) and not permit.leads_to(asked.host):
        return Denied(prohibited(asked.host), by_address=True)
    return permit


def prohibited(address: Address) -> str:
    """Why there is no way to an address."""
    return f"{address} is a {reach_of(address)} address, to which allowed_hosts does not lead"


def host_text(host: Host) -> str:
    """As in a URL."""
    text = str(host)
    return f"[{text}]" if ":" in text else text


def _port(pattern: str, text: str | None) -> int | None:
    if text is None or text == _ANY:
        return None if text is None else 0
    if not 0 < int(text) < 65_536:
        raise InvalidPattern(f"found port {text} in {pattern!r}, expected 1 to 65535, or *")
    return int(text)


def _host_pattern(pattern: str, text: str) -> Host:
    prefix = "*." if text.startswith("*.") else ""
    try:
        host = _ANY if text == _ANY else parse_host(text.removeprefix(prefix))
    except InvalidHost as error:
        raise InvalidPattern(f"found {pattern!r}, expected {EXPECTED}: {error}") from None
    if prefix and isinstance(host, Address):
        raise InvalidPattern(f"found {pattern!r}, expected {EXPECTED}: there is nothing below an address")
    return f"{prefix}{host}" if prefix else host


def _reaches(pattern: str, host: Host, *, private: bool) -> frozenset[Reach]:
    if isinstance(host, Address):
        if host.is_unspecified or host.is_multicast:
            raise InvalidPattern(f"found {pattern!r}, expected the address of one host")
        return frozenset({reach_of(host)})
    if host.removeprefix("*.") == _LOCALHOST or host.endswith(f".{_LOCALHOST}"):
        return frozenset({Reach.LOOPBACK})
    return frozenset({Reach.PUBLIC, Reach.LOOPBACK, Reach.PRIVATE} if private else {Reach.PUBLIC})


_LOCALHOST = "localhost"


def _method(method: str) -> str:
    if not _METHOD.fullmatch(method):
        raise InvalidPattern(f'found {method!r}, expected a method in capitals such as "GET"')
    return method


def _path_pattern(path: str) -> str:
    if not path.startswith("/") or _AMBIGUOUS.search(path) or "?" in path or "#" in path:
        raise InvalidPattern(f'found {path!r}, expected a path such as "/v1/items" or "/v1/*"')
    return path


def _fits_host(entry: AllowedHost, asked: Destination) -> bool:
    port = PORTS.get(asked.scheme) if entry.port is None else entry.port or asked.port
    return entry.scheme in (_ANY, asked.scheme) and port == asked.port and _is_below(entry.host, asked.host)


def _is_below(pattern: Host, host: Host) -> bool:
    if pattern in {_ANY, host}:
        return True
    return (
        isinstance(pattern, str) and pattern.startswith("*.") and isinstance(host, str) and host.endswith(pattern[1:])
    )


def _fits_path(entry: AllowedHost, path: str) -> bool:
    if not entry.paths:
        return True
    decoded = percent_decode(path)
    if _ENCODED_SEPARATOR.search(path) or "%" in decoded or _AMBIGUOUS.search(decoded):
        return False
    return any(_path_expression(pattern).fullmatch(decoded) for pattern in entry.paths)


def _path_expression(pattern: str) -> re.Pattern[str]:
    """`*` is for a part of a segment, at the end for all the rest. (`re` keeps compiled ones.)"""
    inner, star = (pattern[:-1], ".*") if pattern.endswith(_ANY) else (pattern, "")
    return re.compile("[^/]*".join(map(re.escape, inner.split(_ANY))) + star)
