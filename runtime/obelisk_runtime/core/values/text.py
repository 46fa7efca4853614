"""JSON text: decoded without losing a repeated key, encoded compactly, bounded in size and depth."""

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

Json = Any
"""What a JSON decoder makes: None, bool, int, float, str, list, dict."""


@dataclass(frozen=True, slots=True)
class ValueLimits:
    """Bounds of the parameters, or of the result, of one execution."""

    payload_bytes: int = 2 * 1024 * 1024
    """Of JSON text in UTF-8: as it came, and in its canonical form."""
    nesting_depth: int = 64
    list_length: int = 1_000_000


DEFAULT_LIMITS = ValueLimits()

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class NotJson(Exception):
    """The text is not JSON; the message says where."""


class TooDeep(Exception):
    """The JSON is nested deeper than allowed, or than a decoder or encoder goes."""


class RepeatedKey(dict[str, Json]):
    """An object whose text gives a key more than once. A type of its own, so that no check takes it for an object."""

    key: str


def encode(value: Json) -> bytes:
    """Compact JSON. Raises: TooDeep."""
    try:
        return _encode(value)
    except RecursionError:
        raise TooDeep from None


def compacted(text: str) -> str:
    """JSON from outside without what stands between its parts; what is no JSON as it is."""
    try:
        return encode(decode_untrusted(text.encode())).decode()
    except (NotJson, TooDeep, ValueError, OverflowError):
        return text


def decode(text: str | bytes) -> Json:
    """For text that this package made."""
    return _decode(text)


def decode_untrusted(text: bytes) -> Json:
    """For text from outside. An object that repeats a key comes as RepeatedKey. Raises: NotJson, TooDeep."""
    try:
        value = _decode(text)
        return json.loads(text, object_pairs_hook=_object) if b"{" in text else value
    except RecursionError:
        raise TooDeep from None
    except ValueError as error:
        hint = " (escapes from \\ud800 to \\udfff come in pairs)" if _SURROGATE.search(text) else ""
        raise NotJson(f"{error}{hint}") from None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    repeated = RepeatedKey(made)
    seen: set[str] = set()
    repeated.key = next(key for key, _ in pairs if key in seen or seen.add(key))
    return repeated


def refuse_deeper(text: bytes, depth: int) -> None:
    """Raises: TooDeep, if valid JSON has more than `depth` arrays and objects inside one another."""
    if text.count(b"[") + text.count(b"{") <= depth:
        return
    brackets = _STRING.sub(b"", text).translate(_SQUARE, _NOT_BRACKETS)
    for _ in range(depth):  # each round takes away the innermost pairs
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        raise TooDeep
