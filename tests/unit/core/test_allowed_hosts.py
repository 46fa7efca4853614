"""What a component may ask of whom."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk_runtime.core.addresses import InvalidHost, Reach, parse_host
from obelisk_runtime.core.allowed_hosts import AllowedHost, Denied, Destination, InvalidPattern, Permit, allow, decide

PUBLIC = frozenset({Reach.PUBLIC})
API = "https://api.example.com"


def to(url: str, method: str = "GET") -> Destination:
    match = re.fullmatch(r"(https?)://(.+?)(?::(\d+))?(/.*)?", url)
    assert match is not None
    scheme, host, port, path = match.groups()
    return Destination(method, scheme, parse_host(host), int(port or {"http": 80, "https": 443}[scheme]), path or "/")


def permits(entries: list[AllowedHost] | AllowedHost, url: str, method: str = "GET") -> bool:
    entries = entries if isinstance(entries, list) else [entries]
    return isinstance(decide(entries, to(url, method)), Permit)


def reason(entries: list[AllowedHost] | AllowedHost, url: str, method: str = "GET") -> str:
    entries = entries if isinstance(entries, list) else [entries]
    denied = decide(entries, to(url, method))
    assert isinstance(denied, Denied)
    return denied.reason


def test_nothing_is_allowed_unless_it_is_said() -> None:
    assert reason([], "https://api.example.com") == "no pattern of allowed_hosts fits https://api.example.com:443"


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        (
            API,
            ["https://api.example.com:443/x", "https://API.Example.com."],
            ["http://api.example.com", "https://api.example.com:8443"],
        ),
        ("https://api.example.com:8443", ["https://api.example.com:8443"], ["https://api.example.com"]),
        (
            "https://api.example.com:*",
            ["https://api.example.com", "https://api.example.com:1"],
            ["http://api.example.com"],
        ),
        ("*://api.example.com", ["https://api.example.com", "http://api.example.com"], ["http://api.example.com:443"]),
        (
            "https://*.example.com",
            ["https://a.example.com", "https://a.b.example.com"],
            ["https://example.com", "https://aexample.com", "https://a.example.com.net"],
        ),
        (
            "https://*",
            ["https://example.com", "https://1.1.1.1"],
            ["http://example.com", "https://127.0.0.1", "https://[::1]"],
        ),
        (
            "http://127.0.0.1:80",
            ["http://127.0.0.1", "http://0x7f.1", "http://2130706433"],
            ["http://127.0.0.2", "http://localhost"],
        ),
        ("http://[::1]", ["http://[0:0::1]"], ["http://127.0.0.1"]),
    ],
)
def test_scheme_host_and_port_fit_a_pattern(pattern: str, fitting: list[str], other: list[str]) -> None:
    entry = allow(pattern)
    assert [url for url in fitting if not permits(entry, url)] == []
    assert [url for url in other if permits(entry, url)] == []


def test_methods_are_those_that_are_listed() -> None:
    entry = allow(API, methods=["GET", "HEAD"])
    assert permits(entry, API)
    assert reason(entry, API, "POST") == "allowed_hosts does not allow POST for https://api.example.com"
    assert reason(entry, API, "get") == "allowed_hosts does not allow get for https://api.example.com"
    assert permits(allow(API), API, "PURGE")


@pytest.mark.parametrize(
    ("path", "fitting", "other"),
    [
        ("/v1/*", ["/v1/", "/v1/a/b", "/v1/%61", "/v1/a%20b"], ["/v1", "/", "/v2/a", "/x/v1/a"]),
        ("/v1/items", ["/v1/items", "/v1/it%65ms"], ["/v1/items/", "/v1/item"]),
        ("/v1/*/parts", ["/v1/7/parts"], ["/v1/7/8/parts", "/v1/7/parts/8"]),
        ("/a.b", ["/a.b"], ["/axb"]),
        ("/*", ["/", "/x"], []),
    ],
)
def test_paths_fit_a_pattern(path: str, fitting: list[str], other: list[str]) -> None:
    entry = allow(API, paths=[path])
    assert [url for url in fitting if not permits(entry, API + url)] == []
    assert [url for url in other if permits(entry, API + url)] == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../admin", "/v1/..", "/v1/./x", "/v1/%2e%2e/admin", "/v1/.%2E/admin", "/v1/%2e", "/v1//admin",
        "/v1/..%2fadmin", "/v1/%5c..", "/v1/a;b", "/v1/%252e%252e/admin", "/v1/%00", "/v1/%0d%0a", "/v1/%ff",
    ],
)  # fmt: skip
def test_a_path_that_servers_may_read_differently_fits_no_path_pattern(path: str) -> None:
    assert reason(allow(API, paths=["/v1/*"]), API + path) == (
        "allowed_hosts does not allow this path for https://api.example.com"
    )
    assert permits(allow(API), API + path)


def test_a_pattern_alone_leads_to_public_addresses() -> None:
    public, private, local = allow("https://*"), allow("https://*", private=True), allow("https://localhost")
    found = [decide([entry], to("https://localhost")) for entry in (public, private, local)]
    assert [permit.reaches for permit in found if isinstance(permit, Permit)] == [
        PUBLIC,
        {Reach.PUBLIC, Reach.LOOPBACK, Reach.PRIVATE},
        {Reach.LOOPBACK},
    ]
    assert reason(public, "https://10.0.0.1") == ("10.0.0.1 is a private address, to which allowed_hosts does not lead")
    assert permits(private, "https://10.0.0.1")
    assert not permits(private, "https://169.254.169.254")
    assert permits([public, allow("http://169.254.169.254")], "http://169.254.169.254")
    assert not permits([public, allow("http://169.254.169.254")], "https://169.254.169.254")


def test_entries_that_fit_count_together_and_others_not() -> None:
    entries = [
        allow(API, methods=["GET"]),
        allow(API, paths=["/v1/*"], secrets=["TOKEN"], private=True),
        allow("https://other.example.com", secrets=["OTHER"]),
    ]
    assert decide(entries, to(API + "/v2")) == Permit(PUBLIC, frozenset())
    permit = decide(entries, to(API + "/v1/x"))
    assert isinstance(permit, Permit)
    assert permit.secrets == {"TOKEN"}
    assert Reach.PRIVATE in permit.reaches


@pytest.mark.parametrize(
    "pattern",
    [
        "api.example.com", "ftp://example.com", "https://", "https://a b", "https://example.com/", "https://example.com:0",
        "https://example.com:99999", "https://u@example.com", "https://*.1.2.3.4", "https://a.*.com", "https://**",
        "https://ex*mple.com", "http://0.0.0.0", "http://[::]", "http://224.0.0.1", "http://1.2.3.4.5", "HTTPS://a.com",
        "http://[fe80::1%25eth0]", "https://bücher.example",
    ],
)  # fmt: skip
def test_a_pattern_that_means_nothing_is_refused_and_shown(pattern: str) -> None:
    with pytest.raises(InvalidPattern) as caught:
        allow(pattern)
    assert repr(pattern) in str(caught.value) or pattern in str(caught.value)
    assert "expected" in str(caught.value)


@pytest.mark.parametrize("method", ["get", "", "GET POST", "*"])
def test_a_method_is_in_capitals(method: str) -> None:
    with pytest.raises(InvalidPattern, match="expected a method"):
        allow(API, methods=[method])


@pytest.mark.parametrize("path", ["v1", "", "/a?b", "/a#b", "/../a", "//a", "/a;b"])
def test_a_path_pattern_is_a_plain_path(path: str) -> None:
    with pytest.raises(InvalidPattern, match="expected a path"):
        allow(API, paths=[path])


@given(st.text("abc.-*:/[]0179%@\\ ", max_size=20))
def test_a_destination_that_fits_a_wildcard_is_below_its_name(host: str) -> None:
    try:
        parsed = parse_host(host)
    except InvalidHost:
        return
    permit = decide([allow("https://*.abc")], Destination("GET", "https", parsed, 443, "/"))
    assert isinstance(permit, Permit) == (isinstance(parsed, str) and parsed.endswith(".abc"))
