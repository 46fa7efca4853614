"""From requests to typed parameters."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.values import InvalidValue, TypeMismatch, function_codec
from obelisk_runtime.core.wit_text import parse_function
from obelisk_server.config.webhooks.request_values import FromRequest, Literal, parse_source
from obelisk_server.webhooks.mapping import Mapper, Parts, key_text
from obelisk_server.webhooks.refusals import MalformedRequest, UnfitValue, WrongContentType

FUNCTION = Ffqn.parse("a:b/c.d")


def parts(body: Any = b"", query: str = "", content_type: str = "application/json", **headers: str) -> Parts:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Parts("POST", {"id": "7", "*": "x/y"}, query, CIMultiDict({"Content-Type": content_type, **named}), raw)


def value(wit: str, source: Any, request: Parts) -> Any:
    """What the function gets, through all checks."""
    function = parse_function(f"func(v: {wit}) -> result")
    params = Mapper(function, [("v", parse_source(source))]).params(request)
    return json.loads(function_codec(FUNCTION, function).check_params(params))[0]


@pytest.mark.parametrize(
    ("wit", "text", "expected"),
    [
        ("string", "7", "7"),
        ("u8", "7", 7),
        ("s64", "-9223372036854775808", -(2**63)),
        ("u64", "18446744073709551615", 2**64 - 1),
        ("f64", "1.5e3", 1500.0),
        ("f64", "-0.25", -0.25),
        ("bool", "true", True),
        ("bool", "false", False),
        ("char", "x", "x"),
        ("enum { open, all-done }", "all-done", "all_done"),
        ("option<u8>", "7", 7),
        ("option<string>", "", ""),
        ("list<u8>", "7", [7]),
    ],
)
def test_texts_become_values_of_the_type(wit: str, text: str, expected: Any) -> None:
    assert value(wit, "query.q", parts(query=f"q={text}")) == expected
    assert value(wit, "header.X-Q", parts(X_Q=text)) == expected
    form = parts(f"q={text}".encode(), content_type="application/x-www-form-urlencoded; charset=utf-8")
    assert value(wit, "form.q", form) == expected


@pytest.mark.parametrize(
    ("wit", "text"),
    [
        ("u8", "256"), ("u8", "-1"), ("u8", "1.0"), ("u8", "0x1"), ("u8", " 1"), ("u8", "1_0"), ("u8", "٣"), ("u8", ""),
        ("u8", "9" * 500), ("f64", "1e999"), ("f64", "inf"), ("bool", "True"), ("bool", "1"), ("char", "xy"),
        ("enum { open }", "shut"), ("option<u8>", ""),
    ],
)  # fmt: skip
def test_a_text_that_is_no_such_value_is_told_with_what_was_expected(wit: str, text: str) -> None:
    with pytest.raises(TypeMismatch) as caught:
        value(wit, "query.q", parts(query=f"q={text.replace(' ', '+')}".encode().decode("ascii", "ignore") or "q=x"))
    assert caught.value.subject.part == "parameter 'v'"


def test_every_part_of_a_request_can_be_taken() -> None:
    request = parts({"items": [{"name": "n"}], "0": 1}, "page=2&page=3", X_User="ann")
    assert value("string", "path.id", request) == "7"
    assert value("string", "path.*", request) == "x/y"
    assert value("list<u32>", "query.page", request) == [2, 3]
    assert value("string", "header.x-user", request) == "ann"
    assert value("string", "method", request) == "POST"
    assert value("string", "body.items.0.name", request) == "n"
    assert value("u8", "body.0", request) == 1
    assert value("list<record { name: string }>", "body.items", request) == [{"name": "n"}]
    assert value("u8", {"literal": 5}, request) == 5


def test_numbers_of_a_body_are_exact() -> None:
    assert value("u64", "body.n", parts(b'{"n": 18446744073709551615}')) == 2**64 - 1


@pytest.mark.parametrize(
    "source", ["query.q", "header.X-Q", "body.q", "body.items.5", "body.items.x", "body.items.-1", "body.a.b.c"]
)
def test_what_is_missing_is_told_unless_it_is_optional_or_has_a_default(source: str) -> None:
    request = parts({"items": [1], "a": 1})
    with pytest.raises(UnfitValue, match=r"parameter .v., which is taken from .*: expected u8, found nothing"):
        value("u8", source, request)
    assert value("option<u8>", source, request) is None
    assert value("u8", {"from": source, "default": 3}, request) == 3


def test_a_default_is_not_taken_for_a_wrong_value() -> None:
    with pytest.raises(TypeMismatch, match='found "x"'):
        value("u8", {"from": "query.q", "default": 3}, parts(query="q=x"))


def test_two_values_where_one_is_meant_are_told() -> None:
    with pytest.raises(UnfitValue, match="expected one u8, found 2 values"):
        value("u8", "query.q", parts(query="q=1&q=1"))


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"", "application/json", MalformedRequest),
        (b"{", "application/json", MalformedRequest),
        (b'{"a": 1, "a": 2}', "application/json", MalformedRequest),
        (b"[" * 100_000, "application/json", MalformedRequest),
        (b"\xff", "application/json", MalformedRequest),
        (b"{}", "text/plain", WrongContentType),
        (b"{}", "", WrongContentType),
    ],
)
def test_a_body_that_is_no_json_is_refused(body: bytes, content_type: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        value("u8", "body.a", parts(body, content_type=content_type))


def test_json_may_have_a_type_of_its_own() -> None:
    assert value("u8", "body", parts(b"1", content_type="application/vnd.api+JSON; charset=utf-8")) == 1


def test_a_body_that_nobody_asks_for_is_not_looked_at() -> None:
    assert value("string", "path.id", parts(b"\xff", content_type="image/png")) == "7"


@pytest.mark.parametrize(("query", "body"), [("q=%ff", b""), ("\udcff", b""), ("", b"q=%ff"), ("", b"q=\xc3")])
def test_a_query_or_form_that_is_no_utf_8_is_refused(query: str, body: bytes) -> None:
    request = parts(body, query, content_type="application/x-www-form-urlencoded")
    with pytest.raises(MalformedRequest):
        value("string", "query.q" if query else "form.q", request)


WITS = ("string", "u8", "s64", "f32", "bool", "char", "enum { a }", "option<u8>", "list<string>", "list<u8>")
TYPES = ("application/json", "application/x-www-form-urlencoded", "text/plain", "")
SOURCES = ("query.q", "form.q", "body", "body.q", "body.0.q", "header.X-Q", "path.id")


@given(
    wit=st.sampled_from(WITS),
    source=st.sampled_from(SOURCES),
    query=st.text(st.characters(max_codepoint=0xFFFF), max_size=20) | st.text("q=&%1ae+.-", max_size=12),
    body=st.binary(max_size=20) | st.text('{}[]"q:0123456789.eE-,', max_size=20).map(str.encode),
    content_type=st.sampled_from(TYPES),
    header=st.text(max_size=5),
)
@settings(max_examples=300)
def test_whatever_comes_is_a_value_or_a_refusal(
    wit: str, source: str, query: str, body: bytes, content_type: str, header: str
) -> None:
    with contextlib.suppress(UnfitValue, MalformedRequest, WrongContentType, InvalidValue):
        value(wit, source, parts(body, query, content_type, X_Q=header))


def test_everything_wrong_with_a_mapping_is_told_at_once() -> None:
    function = parse_function("func(a: u8, b: list<list<u8>>, c: option<u8>, d: record { x: u8 }) -> result")
    sources = [("b", parse_source("query.b")), ("e", Literal(1)), ("d", parse_source("header.D"))]
    with pytest.raises(ValueError, match="params has no source for 'a'") as caught:
        Mapper(function, sources)
    assert str(caught.value).splitlines() == [
        "'b' is of the type list<list<u8>>, which query.b cannot give; take it from the body",
        "'d' is of the type record { x: u8 }, which header.D cannot give; take it from the body",
        "params has no source for 'a', which is of the type u8",
        "the function has no parameter 'e'",
    ]


def test_a_key_is_a_text_or_an_integer() -> None:
    request = parts({"id": "e-1", "n": 5, "b": True, "o": {}}, X_Key="k")
    keys = [key_text(source, request) for source in map(key, ("header.X-Key", "body.id", "body.n", "path.id"))]
    assert keys == ["k", "e-1", "5", "7"]
    for missing in ("header.X-Other", "body.b", "body.o", "body.none"):
        with pytest.raises(UnfitValue, match="the idempotency key"):
            key_text(key(missing), request)


def key(text: str) -> FromRequest:
    source = parse_source(text)
    assert isinstance(source, FromRequest)
    return source


@pytest.mark.parametrize(
    "found",
    ["", "x", "path", "path.", "header.a b", "body.", "body..a", "method.x", 5, {}, {"literal": 1, "x": 2},
     {"from": "x"}, {"from": "body", "other": 1}, {"literal": float}, ["path.id"]],
)  # fmt: skip
def test_what_is_no_source_is_refused(found: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_source(found)
