"""Function types from text, as obelisk.toml gives them for stubs."""

import re

import pytest

from obelisk_runtime.core.wit_text import WitSyntaxError, parse_function, parse_type


@pytest.mark.parametrize(
    "text",
    [
        "func()",
        "func(order: u64) -> result<bool, string>",
        "func(a: record { x-y: list<u8>, z: option<option<char>> }) -> result<_, variant { no, why(string) }>",
        "func(b: tuple<s8, f64>) -> result<u8>",
        "func(a: flags { r, w }, b: enum { on, off }) -> result",
    ],
)
def test_a_function_type_is_read_as_it_is_printed(text: str) -> None:
    assert str(parse_function(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text ends too early"),
        ("func(", "the text ends too early"),
        ("func(a u8)", "expected ':', found 'u8'"),
        ("func(a: u9)", "unknown type 'u9'"),
        ("func() -> result<u8", "the text ends too early"),
        ("func() more", "'more' follows where the text should end"),
        ("func(a: §)", "'§)' is no WIT"),
    ],
)
def test_a_text_that_is_no_function_type_is_refused_with_what_was_found(text: str, message: str) -> None:
    with pytest.raises(WitSyntaxError, match="^" + re.escape(message)):
        parse_function(text)


def test_a_handle_of_something_else_is_refused() -> None:
    with pytest.raises(WitSyntaxError, match="unknown type"):
        parse_type("borrow-of-nothing")
