"""C with wasi-libc: all `*.c` of the folder, by the clang in zig."""

import sys
import tempfile
from pathlib import Path

from languages import npm, tools, wit
from languages.language import Language, Recipe

ZIG = (sys.executable, "-m", "ziglang")


def zig() -> str:
    """Raises: ToolMissing."""
    return tools.distribution("ziglang", "guests")


def build(recipe: Recipe, output: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as name:
        core = Path(name) / "core.wasm"
        wit.stage(recipe, core.parent / "wit")
        options = ("-target", "wasm32-wasi", "-mexec-model=reactor", "-std=gnu17", "-Os", "-Wall", "-Werror", "-s")
        tools.run((*ZIG, "cc", *options, "-o", core, *sorted(recipe.folder.glob("*.c"))), core.parent)
        npm.component_of(core, recipe.world, output)


LANGUAGE = Language(build, lambda: f"{zig()}, {npm.toolchain()}", ("c", "npm", "tools", "wit"))
