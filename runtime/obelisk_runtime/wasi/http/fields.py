"""Headers and trailers: names compared without case, kept in order and as they were written.

Syntax is that of RFC 9110, section 5.
"""

import re
from collections.abc import Iterable

from obelisk_runtime.ports.engine import GuestTrap

FIELDS_BYTES_MAX = 64 * 1024
"""Names and values of one header or trailer section; a guest that puts in more traps."""

FORBIDDEN = frozenset(
    {
        "connection", "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Names that are the host's: they say how a message is transported, or to whom."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")

Field = tuple[str, bytes]


class HeaderError(Exception):
    """A change that is refused; `case` is that of `header-error`."""

    def __init__(self, case: str) -> None:
        super().__init__(case)
        self.case = case


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def is_value(value: bytes) -> bool:
    return _VALUE.fullmatch(value) is not None


class Fields:
    """A header or trailer section. `change` methods raise HeaderError, and GuestTrap beyond FIELDS_BYTES_MAX."""

    __slots__ = ("_fields", "_size", "mutable")

    def __init__(self, fields: Iterable[Field] = (), *, mutable: bool = True) -> None:
        """Of fields that are right already."""
        self._fields = list(fields)
        self._size = sum(_size(*field) for field in self._fields)
        self.mutable = mutable

    @classmethod
    def of_guest(cls, fields: Iterable[Field]) -> "Fields":
        """Raises: HeaderError, GuestTrap."""
        made = cls()
        for name, value in fields:
            made.append(name, value)
        return made

    def __len__(self) -> int:
        return len(self._fields)

    def entries(self) -> list[Field]:
        return list(self._fields)

    def get(self, name: str) -> list[bytes]:
        lower = name.lower()
        return [value for key, value in self._fields if key.lower() == lower]

    def has(self, name: str) -> bool:
        return bool(self.get(name))

    def set(self, name: str, values: Iterable[bytes]) -> None:
        added = list(values)
        self._check(name, *added)
        self._remove(name)
        for value in added:
            self._add(name, value)

    def append(self, name: str, value: bytes) -> None:
        self._check(name, value)
        self._add(name, value)

    def delete(self, name: str) -> None:
        self._check(name)
        self._remove(name)

    def clone(self) -> "Fields":
        """A copy that can be changed."""
        return Fields(self._fields)

    def frozen(self) -> "Fields":
        """A copy that cannot."""
        return Fields(self._fields, mutable=False)

    def _check(self, name: str, *values: bytes) -> None:
        if not self.mutable:
            raise HeaderError("immutable")
        if not is_name(name) or not all(map(is_value, values)):
            raise HeaderError("invalid_syntax")
        if name.lower() in FORBIDDEN:
            raise HeaderError("forbidden")

    def _add(self, name: str, value: bytes) -> None:
        self._size += _size(name, value)
        if self._size > FIELDS_BYTES_MAX:
            raise GuestTrap(f"a header section of more than {FIELDS_BYTES_MAX} bytes")
        self._fields.append((name, value))

    def _remove(self, name: str) -> None:
        lower = name.lower()
        self._fields = [field for field in self._fields if field[0].lower() != lower]
        self._size = sum(_size(*field) for field in self._fields)


def _size(name: str, value: bytes) -> int:
    """With the four bytes `: ` and CR LF, so that many empty fields count too."""
    return len(name) + len(value) + 4
