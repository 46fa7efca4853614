"""JavaScript: `app.js`, by jco, which puts StarlingMonkey around it."""

import tempfile
from pathlib import Path

from languages import npm, wit
from languages.language import Language, Recipe


def build(recipe: Recipe, output: Path) -> None:
    disabled = recipe.options.get("disable", [])
    assert isinstance(disabled, list)
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as name:
        folder = Path(name)
        wit.stage(recipe, folder / "wit")
        options = ["--disable", *disabled] if disabled else []
        npm.jco(
            *("componentize", recipe.folder / "app.js", "--wit", "wit", "--world-name", recipe.world),
            *("--out", output, *options),
            folder=folder,
        )


LANGUAGE = Language(build, npm.toolchain, ("javascript", "npm", "tools", "wit"), options={"disable": list})
