"""Interfaces from .wit files, as far as tests need them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from obelisk_runtime.core.types import FunctionType, Own, WitType
from obelisk_runtime.core.wit_text import TypeParser, tokens


@dataclass
class Interface:
    types: dict[str, WitType] = field(default_factory=dict[str, WitType])
    functions: dict[str, FunctionType] = field(default_factory=dict[str, FunctionType])


def parse_package(text: str, known: Mapping[str, Interface]) -> dict[str, Interface]:
    """The interfaces of a .wit file by full name; `known` are those of the packages it uses."""
    parser = _Parser(tokens(text))
    parser.expect("package")
    package = "".join(parser.until(";"))
    name, _, version = package.partition("@")
    interfaces: dict[str, Interface] = {}
    while parser.rest:
        parser.expect("interface")
        full = f"{name}/{parser.next()}@{version}"
        local = {key.split("/")[1].split("@")[0]: value for key, value in interfaces.items()}
        interfaces[full] = parser.interface(full, {**known, **local})
    return interfaces


class _Parser(TypeParser):
    def interface(self, name: str, known: Mapping[str, Interface]) -> Interface:
        """After its name, up to and with the closing brace."""
        made = Interface()
        self.named = made.types
        functions: dict[str, list[str]] = {}
        self.expect("{")
        while not self.accept("}"):
            word = self.next()
            if word == "use":
                self._use(made, known)
            elif word == "resource":
                self._resource(name, functions)
            elif self.accept(":"):
                functions[word] = self.until(";")
            else:
                declared = self.next()
                self.declared[declared] = [word, *self.until("}"), "}"]
        for declared in list(self.declared):
            TypeParser([declared], self.named, self.declared).type()
        made.functions = {name: TypeParser(text, self.named).function() for name, text in functions.items()}
        return made

    def _use(self, made: Interface, known: Mapping[str, Interface]) -> None:
        """The tokens of a use clause: `a:b/c@1.0.0.{x, y};` or `c.{x};`."""
        source = "".join(self.until("{")).removesuffix(".")
        for name in self.sequence("}", self.next):
            made.types[name] = known[source].types[name]
        self.expect(";")

    def _resource(self, interface: str, functions: dict[str, list[str]]) -> None:
        resource = self.next()
        self.named[resource] = Own(f"{interface}.{resource}")
        self.expect("{")
        while not self.accept("}"):
            method = self.next()
            self.expect(":")
            func, parenthesis, *params = self.until(";")
            receiver = ["self", ":", "borrow", "<", resource, ">", ","]
            functions[f"[method]{resource}.{method}"] = [func, parenthesis, *receiver, *params]
