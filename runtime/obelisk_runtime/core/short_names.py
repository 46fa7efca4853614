"""The function a person means by the end of its name: `fiboa`, `ifc.fiboa`, `pkg/ifc.fiboa`, version or not."""

import difflib
from collections.abc import Iterable

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.names import Ffqn

CLOSEST_MAX = 5
SEPARATORS = ":/."


class UnknownFunction(ObeliskError):
    """No deployed function ends in this name."""

    def __init__(self, name: str, closest: tuple[Ffqn, ...]) -> None:
        hint = f"; did you mean {' or '.join(map(str, closest))}?" if closest else ""
        super().__init__(f"no component exports a function {name!r}{hint}")
        self.name = name
        self.closest = closest


class AmbiguousFunction(ObeliskError):
    """More than one deployed function ends in this name."""

    def __init__(self, name: str, candidates: tuple[Ffqn, ...]) -> None:
        super().__init__(f"{name!r} may be {' or '.join(map(str, candidates))}; write more of the name")
        self.name = name
        self.candidates = candidates


def resolve(name: str, functions: Iterable[Ffqn]) -> Ffqn:
    """The one function with this name or with a name that ends in it at a separator.

    Raises: UnknownFunction, AmbiguousFunction.
    """
    known = sorted(functions)
    for function in known:
        if function.text == name:
            return function
    candidates = tuple(function for function in known if any(_ends_in(full, name) for full in _spellings(function)))
    match candidates:
        case ():
            raise UnknownFunction(name, _closest(name, known))
        case (function,):
            return function
        case _:
            raise AmbiguousFunction(name, candidates)


def _spellings(function: Ffqn) -> tuple[str, str]:
    return function.text, _without_version(function)


def _without_version(function: Ffqn) -> str:
    interface = function.interface
    return f"{interface.namespace}:{interface.package}/{interface.name}.{function.function}"


def _ends_in(full: str, name: str) -> bool:
    return full == name or (bool(name) and full.endswith(name) and full[-len(name) - 1] in SEPARATORS)


def _closest(name: str, known: list[Ffqn]) -> tuple[Ffqn, ...]:
    """By the part of each full name that has as many segments as the given one."""
    by_end: dict[str, list[Ffqn]] = {}
    for function in known:
        full = _without_version(function)
        ends = (full, full.partition(":")[2], full.rpartition("/")[2], function.function)
        for end in ends:
            by_end.setdefault(end, []).append(function)
    matches = difflib.get_close_matches(name, by_end, CLOSEST_MAX)
    return tuple(dict.fromkeys(function for match in matches for function in by_end[match]))[:CLOSEST_MAX]
