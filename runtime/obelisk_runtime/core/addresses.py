"""Hosts and the addresses behind them: one form for every spelling, and what an address leads to.

Spellings of IPv4 addresses are those that the URL Standard and `inet_aton` accept: decimal, octal, hexadecimal, with
fewer than four parts. What an address leads to is from the special-purpose registries of IANA (RFC 6890).
"""

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from obelisk_runtime.core.errors import ObeliskError

Address = IPv4Address | IPv6Address
Host = str | Address
"""A name in lower case without a dot at the end, or an address."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
_NAME_CHARACTERS_MAX = 253
_NO_IPV4 = "it is spelled like an IPv4 address, and is none"


class InvalidHost(ObeliskError):
    def __init__(self, text: str, detail: str) -> None:
        super().__init__(f"{text!r} is no host: {detail}")


class Reach(StrEnum):
    """What an address leads to."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    """Private networks and those of carriers."""
    SPECIAL = "special"
    """Link-local (where cloud metadata is), multicast, unspecified, reserved, tunnels."""


def parse_host(text: str) -> Host:
    """Of an authority, without port; an IPv6 address in brackets. Raises: InvalidHost."""
    if text.startswith("["):
        return _ipv6(text)
    name = text.lower().removesuffix(".")
    last = name.rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        return _ipv4(text, name.split("."))
    if len(name) > _NAME_CHARACTERS_MAX or not all(map(_LABEL.fullmatch, name.split("."))):
        raise InvalidHost(text, "a name is of labels of ASCII letters, digits, '-' and '_', with dots between them")
    return name


def reach_of(address: Address) -> Reach:
    """An IPv6 address that stands for an IPv4 address leads where that one does."""
    if isinstance(address, IPv6Address):
        inside = _ipv4_inside(address)
        return _ipv6_reach(address) if inside is None else reach_of(inside)
    return next((reach for network, reach in _IPV4 if address in network), Reach.PUBLIC)


def _ipv6(text: str) -> IPv6Address:
    try:
        address = IPv6Address(text[1:].removesuffix("]"))
    except ValueError as error:
        raise InvalidHost(text, str(error)) from None
    if not text.endswith("]") or address.scope_id is not None:
        raise InvalidHost(text, "expected an IPv6 address in brackets, without a zone")
    return address


def _ipv4(text: str, parts: list[str]) -> IPv4Address:
    numbers = [_number(text, part) for part in parts]
    last = numbers.pop()
    if len(numbers) > 3 or any(number > 255 for number in numbers) or last >= 256 ** (4 - len(numbers)):
        raise InvalidHost(text, _NO_IPV4)
    return IPv4Address(last + sum(number << (24 - 8 * index) for index, number in enumerate(numbers)))


def _number(text: str, part: str) -> int:
    if not _NUMBER.fullmatch(part):
        raise InvalidHost(text, _NO_IPV4)
    digits, base = (part[2:] or "0", 16) if part.startswith("0x") else (part, 8 if part.startswith("0") else 10)
    try:
        return int(digits, base)
    except ValueError:
        raise InvalidHost(text, _NO_IPV4) from None


def _ipv4_inside(address: IPv6Address) -> IPv4Address | None:
    """Of mapped, compatible and translated (NAT64) addresses."""
    low = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped is not None or address in _NAT64:
        return low
    return low if address in _COMPATIBLE and int(address) > 1 else None


def _ipv6_reach(address: IPv6Address) -> Reach:
    for network, reach in _IPV6:
        if address in network:
            return reach
    return Reach.PUBLIC if address in _GLOBAL else Reach.SPECIAL


def _networks(reach: Reach, *texts: str) -> list[tuple[IPv4Network, Reach]]:
    return [(IPv4Network(text), reach) for text in texts]


_AZURE = "168.63.129.16/32"
"""A public address that is the host of a virtual machine there, with its secrets."""

_IPV4 = (
    *_networks(Reach.LOOPBACK, "127.0.0.0/8"),
    *_networks(Reach.PRIVATE, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
    *_networks(Reach.SPECIAL, "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
    *_networks(Reach.SPECIAL, "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", _AZURE),
)
_GLOBAL = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
_IPV6 = (
    (IPv6Network("::1/128"), Reach.LOOPBACK),
    (IPv6Network("fc00::/7"), Reach.PRIVATE),
    (IPv6Network("2001::/23"), Reach.SPECIAL),  # Teredo and other protocols
    (IPv6Network("2001:db8::/32"), Reach.SPECIAL),
    (IPv6Network("2002::/16"), Reach.SPECIAL),  # 6to4
    (IPv6Network("3fff::/20"), Reach.SPECIAL),
)
