"""The parts of a request that say what is asked of whom: method, scheme, authority, path with query.

A method is its text (`"GET"`), a scheme too (`"https"`). What a guest may set is narrower than RFC 3986: no user
name in an authority, and nothing that would have to be encoded first.
"""

import re

from obelisk_runtime.ports.engine import Value
from obelisk_runtime.wasi.http.fields import is_name

PATH_BYTES_MAX = 8 * 1024

_METHODS = ("get", "head", "post", "put", "delete", "connect", "options", "trace", "patch")
_SCHEMES = ("HTTP", "HTTPS")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(?P<port>[0-9]{1,5}))?")
_PATH = re.compile(r"[/?][\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7c\x7e%\"{}]*|\*")
"""Any printable ASCII but `#`, `<`, `>`, a backslash, `^` and a backquote; `{`, `}` and `"` are common in queries."""

METHOD_TYPE = f"variant {{ {', '.join(_METHODS)}, other(string) }}"
SCHEME_TYPE = f"variant {{ {', '.join(_SCHEMES)}, other(string) }}"


def method_value(method: str) -> Value:
    lower = method.lower()
    return lower if lower in _METHODS and method.isupper() else {"other": method}


def method_of(value: Value) -> str | None:
    """None if it is no method."""
    method: str = value.upper() if isinstance(value, str) else value["other"]
    return method if is_name(method) else None


def scheme_value(scheme: str) -> Value:
    upper = scheme.upper()
    return upper if upper in _SCHEMES else {"other": scheme}


def scheme_of(value: Value) -> str | None:
    """In lower case; None if it is no scheme."""
    scheme: str = value if isinstance(value, str) else value["other"]
    return scheme.lower() if _SCHEME.fullmatch(scheme) else None


def is_authority(text: str) -> bool:
    match = _AUTHORITY.fullmatch(text)
    return match is not None and (match["port"] is None or int(match["port"]) <= 65_535)


def is_path(text: str) -> bool:
    return _PATH.fullmatch(text) is not None
