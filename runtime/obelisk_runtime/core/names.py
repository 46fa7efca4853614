"""Names of interfaces and functions: `namespace:package/interface[@version]` and `….function` (FFQN)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Self

from obelisk_runtime.core.errors import InvalidName

_LABEL = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_VERSION = r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?"
_INTERFACE = re.compile(
    rf"(?P<namespace>{_LABEL}):(?P<package>{_LABEL})/(?P<name>{_LABEL})(?:@(?P<version>{_VERSION}))?"
)
_FUNCTION = re.compile(rf"(?P<interface>.+)\.(?P<function>{_LABEL})")

RESERVED_NAMESPACES = frozenset({"obelisk", "wasi"})
EXTENSION_SUFFIXES = ("-obelisk-ext", "-obelisk-schedule", "-obelisk-stub")
CANCELLABLE_SUFFIX = "-cancellable"


class InterfaceName:
    """A parsed interface name; equal and hashed by its text."""

    __slots__ = ("name", "namespace", "package", "text", "version")

    def __init__(self, namespace: str, package: str, name: str, version: str | None) -> None:
        self.namespace = namespace
        self.package = package
        self.name = name
        self.version = version
        self.text = f"{namespace}:{package}/{name}" + (f"@{version}" if version else "")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: InvalidName."""
        match = _INTERFACE.fullmatch(text)
        if match is None:
            raise InvalidName("interface name", text, "namespace:package/interface[@1.2.3]")
        return cls(match["namespace"], match["package"], match["name"], match["version"])

    @property
    def reserved(self) -> bool:
        """Whether guests may not export it: a host namespace or a derived package."""
        return self.namespace in RESERVED_NAMESPACES or self.package.endswith(EXTENSION_SUFFIXES)

    def extension(self, suffix: str) -> "InterfaceName":
        """The derived interface of one of EXTENSION_SUFFIXES."""
        return InterfaceName(self.namespace, self.package + suffix, self.name, self.version)

    def base(self) -> "tuple[InterfaceName, str] | None":
        """(the interface this one is derived from, its suffix), or None if it is not derived."""
        for suffix in EXTENSION_SUFFIXES:
            if self.package.endswith(suffix):
                package = self.package.removesuffix(suffix)
                return InterfaceName(self.namespace, package, self.name, self.version), suffix
        return None

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"InterfaceName({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InterfaceName) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


class Ffqn:
    """A fully qualified function name; equal, ordered and hashed by its text.

    It is a class of its own, not a str, so that a codec can intern it (see `core.events`).
    """

    __slots__ = ("_hash", "function", "interface", "text")

    def __init__(self, interface: InterfaceName, function: str) -> None:
        self.interface = interface
        self.function = function
        self.text = f"{interface.text}.{function}"
        self._hash = hash(self.text)

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> "Ffqn":
        """Raises: InvalidName."""
        match = _FUNCTION.fullmatch(text)
        if match is None:
            raise InvalidName("function name", text, "namespace:package/interface[@1.2.3].function")
        return Ffqn(InterfaceName.parse(match["interface"]), match["function"])

    @property
    def cancellable(self) -> bool:
        """Whether a workflow of this name may be cancelled by its parent or a client."""
        return self.function.endswith(CANCELLABLE_SUFFIX)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Ffqn({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ffqn) and self.text == other.text

    def __lt__(self, other: "Ffqn") -> bool:
        return self.text < other.text

    def __hash__(self) -> int:
        return self._hash


def is_among(function: str, given: Iterable[str]) -> bool:
    """Whether a full name is one of these, which are full names, or beginnings of names with a `*` after them."""
    return any(function.startswith(text[:-1]) if text.endswith("*") else function == text for text in given)
