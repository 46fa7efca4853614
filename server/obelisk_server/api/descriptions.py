"""What the docstrings below the fields of structs say, as descriptions in JSON Schemas: one text for both readers."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

Json = dict[str, Any]


def describe(components: Json, types: set[type[msgspec.Struct]]) -> None:
    """Add to the schemas of these structs what is said of their fields."""
    for type_ in types:
        schema = components.get(type_.__name__)
        if schema is not None:
            for name, text in texts_of_fields(type_):
                if name in schema["properties"]:
                    schema["properties"][name] = {**schema["properties"][name], "description": text}


def structs_below(*bases: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    found: set[type[msgspec.Struct]] = set()
    for base in bases:
        found |= {base, *structs_below(*base.__subclasses__())}
    return found


def texts_of_fields(type_: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """(field, text), of those it inherits too."""
    for base in reversed(type_.__mro__):
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            yield from _own_texts(base)


def _own_texts(type_: type) -> Iterator[tuple[str, str]]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(type_))).body
    assert isinstance(definition, ast.ClassDef)
    for field, following in zip(definition.body, definition.body[1:], strict=False):
        match field, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text).replace("\n", " ")
            case _:
                pass
