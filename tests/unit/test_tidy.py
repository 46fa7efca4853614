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

PUBLIC = {
    "obelisk_runtime.core.values": {
        *("ALLOWED_RESULTS", "DEFAULT_LIMITS", "FunctionCodec", "InvalidJson", "InvalidValue", "ListTooLong"),
        *("NestedTooDeep", "NoJsonForm", "PayloadTooLarge", "ResultJson", "TypeMismatch", "Value", "ValueCodec"),
        *("ValueLimits", "WrongParamCount", "function_codec", "project_failure", "result_type_problem", "value_codec"),
    },
    "obelisk_runtime.engine": {"EngineSettings", "WasmtimeEngine", "digest_of"},
    "obelisk_runtime.ports.engine": {
        *("CompiledComponent", "Dropped", "Engine", "GuestCall", "GuestExit", "GuestLimits", "GuestOutcome"),
        *("GuestTrap", "GuestsExhausted", "HostFailed", "HostFunction", "ImportedFunction", "ImportedResource"),
        *("LinkedComponent", "MissingImport", "NotAComponent", "OutOfFuel", "ResourceDestructor", "Returned"),
        *("TimedOut", "Trapped", "UnsupportedComponent", "Value"),
    },
    "obelisk_runtime.registry": {"COMPONENT_BYTES_MAX", "ComponentUnavailable", "find_component", "read_component"},
    "obelisk_runtime.service": {
        *("BrokenComponent", "CancelResult", "DeployedComponent", "FunctionNotFound", "GuestLibrary"),
        *("NotCancellable", "Overloaded", "Service", "Submitted"),
    },
    "obelisk_runtime.storage.sqlite": {"SqliteStore"},
    "obelisk_runtime.wasi": {
        *("Problem", "UnknownWasiInterface", "WasiBinding", "WasiContext", "WasiFunctionDiffers", "WasiNotProvided"),
        *("WasiState", "bind"),
    },
    "obelisk_server.api": {"Context", "Listener", "Waits"},
    "obelisk_server.config": {
        *("ConfigProblem", "InvalidConfig", "Listen", "LogFormat", "ServerConfig", "json_schema", "load_config"),
        "parse_config",
    },
}
"""A name that others may rely on is added here on purpose, and removed with a line in CHANGELOG.md."""


def test_public_names_are_the_pinned_ones() -> None:
    found = {name: set(importlib.import_module(name).__all__) for name in PUBLIC}
    assert found == PUBLIC


def test_packages_with_public_names_are_the_pinned_ones() -> None:
    packages = {module_name(path) for path in MODULES if path.name == "__init__.py" and "__all__ =" in path.read_text()}
    assert packages == {name for name in PUBLIC if name != "obelisk_runtime.ports.engine"}


def test_every_public_name_exists() -> None:
    missing = [f"{name}.{item}" for name in PUBLIC for item in PUBLIC[name] if not hasattr(imported(name), item)]
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


def imported(name: str) -> object:
    return importlib.import_module(name)


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def module_name(path: Path) -> str:
    """The name of a package from the path of its `__init__.py`."""
    (root,) = (root for root in ROOTS if path.is_relative_to(root))
    return ".".join(path.parent.relative_to(root).parts)
