"""Placeholders become values where they may, and values leave records."""

import base64
import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk_runtime.core.secrets import (
    Filling,
    GrantedSecret,
    Placeholders,
    Redactor,
    Secret,
    SecretNotAllowed,
    placeholder,
)

FIRST = placeholder(bytes(16)).encode()
SECOND = placeholder(bytes(15) + b"\1").encode()
GRANTED = (
    GrantedSecret("TOKEN", FIRST, Secret(b"s3cret/+value")),
    GrantedSecret("KEY", SECOND, Secret(b"k")),
)
ALL = Placeholders(GRANTED, frozenset({"TOKEN", "KEY"}))
NONE = Placeholders(GRANTED, frozenset())


def filled(data: bytes) -> bytes:
    return data.replace(FIRST, b"s3cret/+value").replace(SECOND, b"k")


def pieces(data: bytes, borders: list[int]) -> list[bytes]:
    cuts = [0, *sorted(border % (len(data) + 1) for border in borders), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(cuts)]


bodies = st.lists(
    st.sampled_from([FIRST, SECOND, FIRST[:20], SECOND[:-1], b"obelisk-secret-", b"o", b"text "]), max_size=8
).map(b"".join)


@given(bodies, st.lists(st.integers(0, 500), max_size=6))
def test_a_body_is_filled_the_same_however_it_is_cut(body: bytes, borders: list[int]) -> None:
    filling = Filling(ALL)
    out = b"".join(map(filling.feed, pieces(body, borders))) + filling.end()
    assert out == filled(body)
    assert filling.grown == len(out) - len(body)


@given(bodies, st.lists(st.integers(0, 500), max_size=6))
def test_where_it_may_not_go_no_placeholder_leaves(body: bytes, borders: list[int]) -> None:
    filling, out = Filling(NONE), b""
    with contextlib.suppress(SecretNotAllowed):
        for piece in pieces(body, borders):
            out += filling.feed(piece)
        out += filling.end()
    assert FIRST not in out
    assert SECOND not in out
    if FIRST not in body and SECOND not in body:
        assert out == body


def test_headers_are_filled() -> None:
    assert ALL.in_header(b"Bearer " + FIRST) == b"Bearer s3cret/+value"
    assert ALL.in_header(b"plain") == b"plain"
    with pytest.raises(SecretNotAllowed, match="TOKEN"):
        NONE.in_header(b"Bearer " + FIRST)


def test_basic_credentials_are_filled() -> None:
    header = b"Basic " + base64.b64encode(b"user:" + FIRST)
    assert ALL.in_header(header) == b"Basic " + base64.b64encode(b"user:s3cret/+value")
    with pytest.raises(SecretNotAllowed, match="TOKEN"):
        NONE.in_header(header)
    for other in (b"Basic dXNlcjpwYXNz", b"Basic x"):
        assert ALL.in_header(other) == other


@pytest.mark.parametrize("value", [b"one\ntwo-and-more", b"a\r\nInjected: x", b"zero\0zero"])
def test_a_value_cannot_break_a_header(value: bytes) -> None:
    lines = Placeholders([GrantedSecret("PEM", FIRST, Secret(value))], frozenset({"PEM"}))
    with pytest.raises(SecretNotAllowed, match="more than one line"):
        lines.in_header(FIRST)


def test_a_query_is_filled_and_encoded() -> None:
    assert ALL.in_query(f"a={FIRST.decode()}&b={SECOND.decode()}") == "a=s3cret%2F%2Bvalue&b=k"


def test_a_path_has_no_placeholder() -> None:
    ALL.nowhere_in("/a/b", "the path")
    with pytest.raises(SecretNotAllowed, match="TOKEN is in the path"):
        ALL.nowhere_in(f"/a/{FIRST.decode()}", "the path")


def test_without_secrets_nothing_is_looked_at() -> None:
    empty = Placeholders([], frozenset())
    assert (empty.any, empty.fills, empty.held_back(b"o")) == (False, False, 0)
    assert empty.in_header(FIRST) == FIRST
    assert Filling(empty).feed(b"o") == b"o"


def test_a_secret_does_not_show_itself() -> None:
    assert "s3cret" not in repr(GRANTED)
    assert "s3cret" not in str(GRANTED[0])


@pytest.mark.parametrize(
    "text",
    [
        'say s3cret/+"value!',
        "s3cret/%2B%22value%21",
        "s3cret%2F%2B%22value%21",
        's3cret/+\\"value!',
        "czNjcmV0LysidmFsdWUh",
    ],
)
def test_known_values_leave_records_in_whatever_form(text: str) -> None:
    redacted = Redactor({"TOKEN": Secret(b's3cret/+"value!')}).redact(f"before {text} after")
    assert "[secret TOKEN] after" in redacted
    assert "s3cret" not in redacted
    assert "czN" not in redacted


@pytest.mark.parametrize("before", ["", "u:", "user", "user:"])
@pytest.mark.parametrize("after", ["", "!", "!!"])
def test_known_values_leave_base64_of_more_than_them(before: str, after: str) -> None:
    value = "s3cret\xff\xfe?>value"
    text = f"{before}{value}{after}".encode("latin-1")
    redactor = Redactor({"TOKEN": Secret(value.encode("latin-1"))})
    for encoded in (base64.b64encode(text), base64.urlsafe_b64encode(text)):
        redacted = redactor.redact(f"Basic {encoded.decode()}")
        assert "[secret TOKEN]" in redacted
        assert "M2NyZXT" not in redacted
        assert len(redacted.replace("[secret TOKEN]", "")) <= len("Basic ") + 4 * (len(before + after) // 3 + 2)


def test_each_line_of_a_secret_that_has_several_is_taken_out() -> None:
    redactor = Redactor({"KEY": Secret(b"-----BEGIN KEY-----\nMIIEvQIBADAN\nab\n-----END KEY-----")})
    assert redactor.redact("> MIIEvQIBADAN") == "> [secret KEY]"
    assert redactor.redact("absent") == "absent"


def test_the_longest_secret_is_taken_out_first() -> None:
    redactor = Redactor({"SHORT": Secret(b"12345678"), "LONG": Secret(b"1234567890")})
    assert redactor.redact("1234567890 12345678") == "[secret LONG] [secret SHORT]"


def test_without_secrets_text_stays() -> None:
    assert Redactor({}).redact("any text") == "any text"
