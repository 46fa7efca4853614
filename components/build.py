"""Build the components of this folder: `python components/build.py [NAME...]`.

Every subfolder with a `component.toml` is a component (see README.md). Products go to `build/components/NAME.wasm`. A
component is built only if its key, the hash of everything that goes into it, differs from the key of the product; and
it is copied from the cache (`$XDG_CACHE_HOME/obelisk/components`, shared by all checkouts) if it was built before.

The exit code is 0, or 1 if anything failed, or 3 if only tools are missing that pip does not install; when all
components are built, those that need such tools are left out instead.
"""

import argparse
import itertools
import shutil
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from languages import LANGUAGES, npm, tools, wit
from languages.language import REPOSITORY, SOURCES, BuildFailed, OptionalToolMissing, Recipe, ToolMissing

PRODUCTS = REPOSITORY / "build" / "components"
PARALLEL = 2
CACHED_VERSIONS_MAX = 4
EXPECTED = {bool: "true or false", list: "a list", str: "a text"}


def load_recipes() -> dict[str, Recipe]:
    """Every component by name. Raises: BuildFailed for a broken component.toml."""
    return {path.parent.name: load_recipe(path) for path in sorted(SOURCES.glob("*/component.toml"))}


def load_recipe(path: Path) -> Recipe:
    try:
        options = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BuildFailed(f"{path}: {error}") from error
    language = options.pop("language", None)
    if language not in LANGUAGES:
        raise BuildFailed(f"{path}: language is {language!r}, expected one of {', '.join(LANGUAGES)}")
    known = LANGUAGES[language].options
    for key, value in options.items():
        if key not in known:
            raise BuildFailed(f"{path}: unknown key {key}")
        if not isinstance(value, known[key]):
            raise BuildFailed(f"{path}: {key} is {value!r}, expected {EXPECTED[known[key]]}")
    return Recipe(path.parent.name, language, options)


def buildable(recipes: Sequence[Recipe], *, all_of_them: bool) -> list[Recipe]:
    """Those whose tools are there; of all, those in an optional language may be left out, which is printed.

    Raises: ToolMissing, OptionalToolMissing, naming all that is not installed.
    """
    missing: dict[str, str] = {}
    for name in {recipe.language for recipe in recipes}:
        try:
            LANGUAGES[name].toolchain()
        except ToolMissing as error:
            missing[name] = str(error)
    if needed := {reason for name, reason in missing.items() if not LANGUAGES[name].optional}:
        raise ToolMissing("\n".join(sorted(needed)))
    if missing and not all_of_them:
        raise OptionalToolMissing("\n".join(missing.values()))
    for name, reason in missing.items():
        print(f"components in {name} are left out: {reason}")
    return [recipe for recipe in recipes if recipe.language not in missing]


def key_of(recipe: Recipe) -> str:
    """The hash of everything that goes into the component: sources, WIT, scripts, versions of tools."""
    language = LANGUAGES[recipe.language]
    toolchain = language.toolchain() + (npm.toolchain() if wit.uses_wasi(recipe) else "")
    scripts = [SOURCES / "languages" / f"{module}.py" for module in language.scripts]
    folders = (recipe.folder, *wit.packages_used(recipe))
    files = (*scripts, *itertools.chain.from_iterable(map(sources_in, folders)))
    named = ((str(path.relative_to(REPOSITORY)).encode(), path.read_bytes()) for path in files)
    return tools.digest(toolchain.encode(), *itertools.chain.from_iterable(named))


def sources_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def product_of(recipe: Recipe) -> Path:
    return PRODUCTS / f"{recipe.name}.wasm"


def make(recipe: Recipe) -> str:
    """Bring the product up to date; says how. Raises: BuildFailed."""
    product = product_of(recipe)
    key, key_file = key_of(recipe), product.with_suffix(".key")
    if product.exists() and key_file.exists() and key_file.read_text(encoding="ascii") == key:
        return "up to date"
    cached = tools.cache_folder() / "components" / f"{recipe.name}-{key}.wasm"
    how = "from the cache"
    if not cached.exists():
        how = "built"
        build_into_cache(recipe, cached)
    key_file.unlink(missing_ok=True)
    replace_with_copy(cached, product)
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
        self._finish(recipe, f"{how}{seconds}, {readable_size(product_of(recipe).stat().st_size)}")
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
    slow_first = sorted(recipes, key=lambda recipe: not LANGUAGES[recipe.language].slow)
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
        names: list[str] = parser.parse_args().names
        recipes = buildable(choose(names), all_of_them=not names)
    except BuildFailed as error:
        print(error, file=sys.stderr)
        return 3 if isinstance(error, OptionalToolMissing) else 1
    try:
        return 0 if build_all(recipes) else 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
