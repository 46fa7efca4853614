"""Python: `app.py`, by componentize-py."""

import shutil
import sys
import tempfile
from pathlib import Path

from languages import tools, wit
from languages.language import Language, Recipe

_SCRIPT = "import sys; from componentize_py import script; sys.exit(script())"
"""Its console script need not be on the PATH, and the package has no `__main__`."""


def build(recipe: Recipe, output: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as name:
        folder = Path(name)
        wit.stage(recipe, folder / "wit")
        shutil.copytree(recipe.folder, folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
        options = ["--stub-wasi"] if recipe.options.get("stub_wasi") else []
        command = (
            *(sys.executable, "-c", _SCRIPT, "-d", "wit", "-w", recipe.world),
            *("componentize", *options, "-p", "app", "app", "-o", output),
        )
        tools.run(command, folder)


LANGUAGE = Language(
    build,
    lambda: tools.distribution("componentize-py", "build"),
    ("python", "tools", "wit"),
    options={"stub_wasi": bool},
)
