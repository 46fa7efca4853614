"""Build the components of this folder: `python components/build.py [NAME...]`.

Every subfolder with a `component.toml` is a component (see README.md). Products go to `build/components/NAME.wasm`. A
component is built only if its key, the hash of everything that goes into it, differs from the key of the product; and
it is copied from the cache (`$XDG_CACHE_HOME/obelisk/components`, shared by all checkouts) if it was built before.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
REPOSITORY = SOURCES.parent
WIT = (REPOSITORY / "wit", SOURCES / "wit")
PRODUCTS = REPOSITORY / "build" / "components"
PARALLEL = 2
CACHED_VERSIONS_MAX = 4
COMPONENTIZE_PY = "import sys; from componentize_py import script; sys.exit(script())"
"""Its console script need not be on the PATH, and the package has no `__main__`."""


class BuildFailed(Exception):
    """A component cannot be built; the message is for the person who typed the command."""


@dataclass(frozen=True)
class Recipe:
    """How a component is built: its `component.toml`."""

    name: str
    language: str
    stub_wasi: bool

    @property
    def folder(self) -> Path:
        return SOURCES / self.name

    @property
    def world(self) -> str:
        return self.name.replace("_", "-")

    @property
    def product(self) -> Path:
        return PRODUCTS / f"{self.name}.wasm"


@dataclass(frozen=True)
class Language:
    build: Callable[[Recipe, Path], None]
    """Writes the component to a path. Raises: BuildFailed."""
    tools: tuple[str, ...]
    """The distributions that do it."""


def build_wat(recipe: Recipe, output: Path) -> None:
    from wasmtime import WasmtimeError, wat2wasm  # noqa: PLC0415  a missing tool gets a message of its own first

    try:
        output.write_bytes(wat2wasm((recipe.folder / "component.wat").read_text(encoding="utf-8")))
    except WasmtimeError as error:
        raise BuildFailed(str(error)) from error


def build_python(recipe: Recipe, output: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as folder:
        stage_wit(recipe, Path(folder, "wit"))
        shutil.copytree(recipe.folder, Path(folder, "app"), ignore=shutil.ignore_patterns("__pycache__"))
        options = ["--stub-wasi"] if recipe.stub_wasi else []
        command = [
            *(sys.executable, "-c", COMPONENTIZE_PY, "-d", "wit", "-w", recipe.world),
            *("componentize", *options, "-p", "app", "app", "-o", str(output)),
        ]
        tool = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if tool.returncode != 0:
        raise BuildFailed(
            (tool.stderr.strip() or tool.stdout.strip()) + f"\ncomponentize-py ended with {tool.returncode}"
        )


def stage_wit(recipe: Recipe, folder: Path) -> None:
    """The layout WIT tools expect: the world, and beside it every package it uses."""
    folder.mkdir()
    for package in packages_used(recipe):
        shutil.copytree(package, folder / "deps" / package.name)
    shutil.copy(recipe.folder / "world.wit", folder)


def packages_used(recipe: Recipe) -> list[Path]:
    """Folders of the WIT packages that the world names, those that they name, and so on.

    A package is named `namespace:package/...`; its folder is `namespace_package`, with `@version` if it has one.
    """
    folders = {path.name.partition("@")[0].replace("_", ":"): path for packages in WIT for path in packages.iterdir()}
    used: set[Path] = set()
    unread = list(recipe.folder.glob("world.wit"))
    while unread:
        named = {
            folders[name] for name in re.findall(r"[\w-]+:[\w-]+(?=/)", unread.pop().read_text()) if name in folders
        }
        unread.extend(path for folder in named - used for path in folder.glob("*.wit"))
        used |= named
    return sorted(used)


LANGUAGES: Mapping[str, Language] = {
    "python": Language(build_python, ("componentize-py",)),
    "wat": Language(build_wat, ("wasmtime",)),
}


def load_recipes() -> dict[str, Recipe]:
    """Every component by name. Raises: BuildFailed for a broken component.toml."""
    return {path.parent.name: load_recipe(path) for path in sorted(SOURCES.glob("*/component.toml"))}


def load_recipe(path: Path) -> Recipe:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BuildFailed(f"{path}: {error}") from error
    language, stub_wasi = table.pop("language", None), table.pop("stub_wasi", False)
    if table:
        raise BuildFailed(f"{path}: unknown key {', '.join(table)}")
    if language not in LANGUAGES:
        raise BuildFailed(f"{path}: language is {language!r}, expected one of {', '.join(LANGUAGES)}")
    if not isinstance(stub_wasi, bool):
        raise BuildFailed(f"{path}: stub_wasi is {stub_wasi!r}, expected true or false")
    return Recipe(path.parent.name, language, stub_wasi)


def require_tools(recipes: Iterable[Recipe]) -> None:
    """Raises: BuildFailed naming what is not installed."""
    needed = {tool for recipe in recipes for tool in LANGUAGES[recipe.language].tools}
    missing = sorted(tool for tool in needed if importlib.util.find_spec(tool.replace("-", "_")) is None)
    if missing:
        raise BuildFailed(f"{', '.join(missing)} is not installed in this Python: pip install 'obelisk-wasm[build]'")


def key_of(recipe: Recipe) -> str:
    """The hash of everything that goes into the component: sources, WIT, this script, versions of tools."""
    sha = hashlib.sha256()
    for tool in LANGUAGES[recipe.language].tools:
        sha.update(f"{tool}={importlib.metadata.version(tool)}\n".encode())
    folders = (recipe.folder, *packages_used(recipe))
    for path in (Path(__file__).resolve(), *itertools.chain.from_iterable(map(sources_in, folders))):
        content = path.read_bytes()
        sha.update(f"{path.relative_to(REPOSITORY)} {len(content)}\n".encode())
        sha.update(content)
    return sha.hexdigest()


def sources_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "obelisk" / "components"


def make(recipe: Recipe) -> str:
    """Bring the product up to date; says how. Raises: BuildFailed."""
    key, key_file = key_of(recipe), recipe.product.with_suffix(".key")
    if recipe.product.exists() and key_file.exists() and key_file.read_text(encoding="ascii") == key:
        return "up to date"
    cached = cache_folder() / f"{recipe.name}-{key}.wasm"
    how = "from the cache"
    if not cached.exists():
        how = "built"
        build_into_cache(recipe, cached)
    key_file.unlink(missing_ok=True)
    replace_with_copy(cached, recipe.product)
    key_file.write_text(key, encoding="ascii")
    return how


def build_into_cache(recipe: Recipe, cached: Path) -> None:
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent) as folder:
        output = Path(folder, "component.wasm")
        LANGUAGES[recipe.language].build(recipe, output)
        output.replace(cached)
    versions = sorted(cached.parent.glob(f"{recipe.name}-{'?' * 64}.wasm"), key=lambda path: path.stat().st_mtime)
    for old in versions[:-CACHED_VERSIONS_MAX]:
        old.unlink(missing_ok=True)


def replace_with_copy(source: Path, target: Path) -> None:
    """Copy so that the target is the old file or the whole new one at any instant."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        Path(shutil.copy(source, folder)).replace(target)


class Progress:
    """One line for each finished component; on a terminal also a live line of what is being built."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._live = sys.stdout.isatty()
        self._started: dict[str, float] = {}
        self._spinner = itertools.cycle("|/-\\")
        self._lock = threading.Lock()

    def run(self, recipe: Recipe) -> bool:
        """Make one component and print how it went; False if it failed."""
        started = self._started[recipe.name] = time.monotonic()
        try:
            how = make(recipe)
        except (BuildFailed, OSError) as error:
            self._finish(recipe, f"FAILED\n{error}")
            return False
        seconds = f" in {time.monotonic() - started:.1f} s" if how == "built" else ""
        self._finish(recipe, f"{how}{seconds}, {readable_size(recipe.product.stat().st_size)}")
        return True

    def _finish(self, recipe: Recipe, text: str) -> None:
        with self._lock:
            del self._started[recipe.name]
            print(f"{self._clear}{recipe.name:{self._width}}  {text}", flush=True)

    def tick(self) -> None:
        """Redraw the live line."""
        with self._lock:
            if self._live and self._started:
                now, turn = time.monotonic(), next(self._spinner)
                running = ", ".join(f"{name} {now - started:.0f} s" for name, started in self._started.items())
                print(f"{self._clear}{turn} building {running}", end="", flush=True)

    @property
    def _clear(self) -> str:
        return "\r\x1b[K" if self._live else ""


def readable_size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} KB"


def build_all(recipes: Sequence[Recipe]) -> bool:
    """Build two at a time, slow ones first; False if any failed."""
    progress = Progress(max(len(recipe.name) for recipe in recipes))
    slow_first = sorted(recipes, key=lambda recipe: recipe.language != "python")
    pool = ThreadPoolExecutor(PARALLEL)
    try:
        builds = [pool.submit(progress.run, recipe) for recipe in slow_first]
        while wait(builds, timeout=0.1).not_done:
            progress.tick()
    finally:
        pool.shutdown(cancel_futures=True)
    return all(build.result() for build in builds)


def choose(names: Sequence[str]) -> list[Recipe]:
    """The named components, or all. Raises: BuildFailed for a name that is none."""
    recipes = load_recipes()
    unknown = [name for name in names if name not in recipes]
    if unknown:
        raise BuildFailed(f"no component named {', '.join(unknown)}; there are {', '.join(recipes)}")
    return [recipes[name] for name in names or recipes]


def main() -> int:
    parser = argparse.ArgumentParser(prog="components/build.py", description="Build components from source.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a subfolder of components/ (default: all)")
    try:
        recipes = choose(parser.parse_args().names)
        require_tools(recipes)
    except BuildFailed as error:
        print(error, file=sys.stderr)
        return 1
    try:
        return 0 if build_all(recipes) else 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
