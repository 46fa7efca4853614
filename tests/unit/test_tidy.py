"""What a linter does not say about the source: sizes, names, words, and the public surface."""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROOTS = (REPOSITORY / "runtime", REPOSITORY / "server")
MODULES = sorted(path for root in ROOTS for path in root.rglob("*.py"))

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 500
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
BANNER = re.compile(r"^\s*#\s*[-=#*]{4,}", re.MULTILINE)

PUBLIC_NAMES = REPOSITORY / "tests" / "golden" / "public_names.txt"
"""A name that others may rely on is added here on purpose, and removed with a line in CHANGELOG.md."""


def test_public_names_are_the_pinned_ones() -> None:
    found = {f"{package} {name}" for package in public_packages() for name in importlib.import_module(package).__all__}
    pinned = set(PUBLIC_NAMES.read_text().splitlines())
    assert (sorted(found - pinned), sorted(pinned - found)) == ([], []), "(not pinned, gone)"


def test_every_public_name_exists() -> None:
    pinned = [line.split() for line in PUBLIC_NAMES.read_text().splitlines()]
    missing = [f"{package}.{name}" for package, name in pinned if not hasattr(importlib.import_module(package), name)]
    assert missing == []


def test_functions_fit_a_screen() -> None:
    long = [where for where, lines in functions() if lines > FUNCTION_LINES_MAX]
    assert long == []


def test_modules_have_one_reason_to_exist() -> None:
    long = [relative(path) for path in MODULES if path.read_text().count("\n") > MODULE_LINES_MAX]
    assert long == []


def test_modules_are_named_for_what_they_hold() -> None:
    vague = [relative(path) for path in MODULES if VAGUE_NAMES & set(re.split(r"[_./]", relative(path).lower()))]
    assert vague == []


def test_modules_say_what_they_are_for() -> None:
    silent = [relative(path) for path in MODULES if ast.get_docstring(tree(path)) is None]
    assert silent == []


def test_source_is_finished() -> None:
    unfinished = [relative(path) for path in MODULES if UNFINISHED.search(path.read_text())]
    assert unfinished == []


def test_source_has_no_banners() -> None:
    banners = [relative(path) for path in MODULES if BANNER.search(path.read_text())]
    assert banners == []


def public_packages() -> list[str]:
    """Packages that say what is public, in their `__init__.py`."""
    return [
        ".".join(path.parent.relative_to(root).parts)
        for root in ROOTS
        for path in sorted(root.rglob("__init__.py"))
        if "__all__ =" in path.read_text()
    ]


def functions() -> Iterator[tuple[str, int]]:
    """Each function, and its lines without decorators."""
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield f"{relative(path)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))
