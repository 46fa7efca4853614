"""What a WebAssembly binary says about who made it: its custom sections `producers`, also of what is nested in it.

https://github.com/WebAssembly/tool-conventions/blob/main/ProducersSection.md
"""

from collections.abc import Iterator
from itertools import takewhile

_HEADER_BYTES = 8
_CUSTOM = 0
_CORE_MODULE = 1
_COMPONENT = 4
_COMPONENT_LAYER = b"\x0d\0\1\0"
_DEPTH_MAX = 16


class _Broken(Exception):
    """The bytes end, or a number does not."""


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)

    def take(self, count: int) -> memoryview:
        if self._at + count > len(self._data):
            raise _Broken
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        """An unsigned LEB128 of 32 bits."""
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise _Broken

    def text(self) -> str:
        return bytes(self.take(self.number())).decode(errors="replace")

    def rest(self) -> memoryview:
        return self._data[self._at :]


Producers = dict[str, dict[str, str]]
"""Field (`language`, `processed-by`, `sdk`) -> name -> version."""


def producers(wasm: bytes) -> Producers:
    """Empty where nothing is said; what is broken is left out."""
    found: Producers = {}
    for section in _sections(memoryview(wasm), 0):
        try:
            _read(_Reader(section), found)
        except _Broken:
            continue
    return found


def _sections(binary: memoryview, depth: int) -> Iterator[memoryview]:
    """The bodies of all `producers` sections."""
    is_component = bytes(binary[4:_HEADER_BYTES]) == _COMPONENT_LAYER
    reader = _Reader(binary[_HEADER_BYTES:])
    try:
        while not reader.ended:
            kind = reader.take(1)[0]
            body = reader.take(reader.number())
            if kind == _CUSTOM:
                custom = _Reader(body)
                if custom.text() == "producers":
                    yield custom.rest()
            elif is_component and kind in (_CORE_MODULE, _COMPONENT) and depth < _DEPTH_MAX:
                yield from _sections(body, depth + 1)
    except _Broken:
        return


def _read(reader: _Reader, found: Producers) -> None:
    for _ in range(reader.number()):
        names = found.setdefault(_printable(reader.text()), {})
        for _ in range(reader.number()):
            name, version = reader.text(), reader.text()
            names[_printable(name)] = _printable(version)


def _printable(text: str) -> str:
    """Up to the first character that could steer a terminal."""
    return "".join(takewhile(str.isprintable, text))
