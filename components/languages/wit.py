"""WIT packages: those of this repository, and WASI's, which come with a tool."""

import re
import shutil
from pathlib import Path

from languages import npm
from languages.language import REPOSITORY, SOURCES, Recipe

PACKAGES = (REPOSITORY / "wit", SOURCES / "wit")


def stage(recipe: Recipe, folder: Path) -> None:
    """The layout WIT tools expect: the world, and beside it every package it uses."""
    folder.mkdir()
    for package in packages_used(recipe):
        shutil.copytree(package, folder / "deps" / package.name)
    if uses_wasi(recipe):
        (folder / "deps").mkdir(exist_ok=True)
        (folder / "deps" / "wasi.wasm").write_bytes(npm.wasi_wit())
    shutil.copy(recipe.folder / "world.wit", folder)


def uses_wasi(recipe: Recipe) -> bool:
    """Whether the world itself names WASI; what a language's library imports needs no WIT."""
    return any(re.search(r"\bwasi:[\w-]+/", path.read_text()) for path in recipe.folder.glob("world.wit"))


def packages_used(recipe: Recipe) -> list[Path]:
    """Folders of the WIT packages that the world names, those that they name, and so on.

    A package is named `namespace:package/...`; its folder is `namespace_package`, with `@version` if it has one.
    """
    folders = {
        path.name.partition("@")[0].replace("_", ":"): path for packages in PACKAGES for path in packages.iterdir()
    }
    used: set[Path] = set()
    unread = list(recipe.folder.glob("world.wit"))
    while unread:
        named = {
            folders[name] for name in re.findall(r"[\w-]+:[\w-]+(?=/)", unread.pop().read_text()) if name in folders
        }
        unread.extend(path for folder in named - used for path in folder.glob("*.wit"))
        used |= named
    return sorted(used)
