"""Every spelling of an address is that address, and it is known where it leads."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk_runtime.core.addresses import InvalidHost, Reach, parse_host, reach_of


@st.composite
def spellings(draw: st.DrawFn) -> tuple[IPv4Address, str]:
    """An address, and one of the texts that `inet_aton` takes for it."""
    number = draw(st.integers(0, 2**32 - 1))
    count = draw(st.integers(1, 4))
    parts = [(number >> (24 - 8 * index)) & 255 for index in range(count - 1)]
    parts.append(number & (256 ** (5 - count) - 1))
    forms = ["{}", "0{:o}", "0x{:x}", "0X{:X}", "000{:o}", "0x00{:x}"]
    text = ".".join(draw(st.sampled_from(forms)).format(part) for part in parts)
    return IPv4Address(number), text + draw(st.sampled_from(["", "."]))


@given(spellings())
def test_all_spellings_of_an_ipv4_address_are_one(spelled: tuple[IPv4Address, str]) -> None:
    address, text = spelled
    assert parse_host(text) == address


@pytest.mark.parametrize(
    "text", ["2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0177.0.0.01", "0x7f.1", "127.0.0.1."]
)
def test_loopback_is_seen_through(text: str) -> None:
    assert parse_host(text) == IPv4Address("127.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "a..b", "a b", "ä.com", "a%2eb", "-a.com", "a-.com", "x" * 64, "a." * 127 + "aa", "1.2.3.4.5",
        "256.1.1.1", "1.2.3.256", "4294967296", "08.1.1.1", "a.1", "1_0.0.0.1", "0x1g.1", "[::1", "[fe80::1%eth0]",
        "[fe80::1%25eth0]", "[1.2.3.4]", "[]", "[::1]x", "1..1",
    ],
)  # fmt: skip
def test_what_is_neither_a_name_nor_an_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidHost):
        parse_host(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [("Example.COM.", "example.com"), ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("a_b.c1", "a_b.c1")],
)
def test_a_name_has_one_form(text: str, host: str) -> None:
    assert parse_host(text) == host


@given(st.text(max_size=12))
def test_whatever_the_text_it_is_a_host_or_refused(text: str) -> None:
    try:
        host = parse_host(text)
    except InvalidHost:
        return
    assert isinstance(host, IPv4Address | IPv6Address) or host == host.lower()
    assert parse_host(f"[{host}]" if isinstance(host, IPv6Address) else str(host)) == host


@pytest.mark.parametrize(
    ("address", "reach"),
    [
        ("1.1.1.1", Reach.PUBLIC),
        ("172.32.0.1", Reach.PUBLIC),
        ("100.128.0.1", Reach.PUBLIC),
        ("127.8.8.8", Reach.LOOPBACK),
        ("10.0.0.1", Reach.PRIVATE),
        ("172.16.0.1", Reach.PRIVATE),
        ("192.168.1.1", Reach.PRIVATE),
        ("100.64.0.1", Reach.PRIVATE),
        ("100.100.100.200", Reach.PRIVATE),
        ("0.0.0.0", Reach.SPECIAL),
        ("0.1.2.3", Reach.SPECIAL),
        ("169.254.169.254", Reach.SPECIAL),
        ("168.63.129.16", Reach.SPECIAL),
        ("224.0.0.1", Reach.SPECIAL),
        ("240.0.0.1", Reach.SPECIAL),
        ("255.255.255.255", Reach.SPECIAL),
        ("192.0.0.192", Reach.SPECIAL),
        ("198.18.0.1", Reach.SPECIAL),
        ("2606:4700::1111", Reach.PUBLIC),
        ("::1", Reach.LOOPBACK),
        ("::", Reach.SPECIAL),
        ("fd00:ec2::254", Reach.PRIVATE),
        ("fe80::1", Reach.SPECIAL),
        ("fec0::1", Reach.SPECIAL),
        ("ff02::1", Reach.SPECIAL),
        ("2001::1", Reach.SPECIAL),
        ("2001:db8::1", Reach.SPECIAL),
        ("2002:7f00:1::", Reach.SPECIAL),
        ("100::1", Reach.SPECIAL),
        ("64:ff9b:1::1", Reach.SPECIAL),
        ("::ffff:1.1.1.1", Reach.PUBLIC),
        ("::ffff:127.0.0.1", Reach.LOOPBACK),
        ("::ffff:a9fe:a9fe", Reach.SPECIAL),
        ("::127.0.0.1", Reach.LOOPBACK),
        ("::10.0.0.1", Reach.PRIVATE),
        ("64:ff9b::1.1.1.1", Reach.PUBLIC),
        ("64:ff9b::10.0.0.1", Reach.PRIVATE),
        ("64:ff9b::169.254.169.254", Reach.SPECIAL),
    ],
)
def test_it_is_known_where_an_address_leads(address: str, reach: Reach) -> None:
    assert reach_of(parse_host(f"[{address}]" if ":" in address else address)) is reach  # type: ignore[arg-type]


@given(st.ip_addresses())
def test_what_the_registries_do_not_call_global_is_not_public(address: IPv4Address | IPv6Address) -> None:
    if reach_of(address) is Reach.PUBLIC and getattr(address, "ipv4_mapped", None) is None:
        assert address.is_global
        assert not address.is_multicast


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_leads_to_the_same_in_every_ipv6_disguise(address: IPv4Address) -> None:
    for prefix in (0xFFFF << 32, 0x64FF9B << 96):
        assert reach_of(IPv6Address(prefix | int(address))) is reach_of(address)
