"""`obelisk component build`: from folders with source to components."""

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import json_option, print_json
from obelisk_server.cli.progress import Steps

WIT = Path("wit")
"""The packages, and a world for each folder, of its name."""
JCO = Path("node_modules", "@bytecodealliance", "jco", "src", "jco.js")
_ASSEMBLE = """
import pathlib, sys, wasmtime
try:
    pathlib.Path(sys.argv[2]).write_bytes(wasmtime.wat2wasm(pathlib.Path(sys.argv[1]).read_text("utf-8")))
except (wasmtime.WasmtimeError, UnicodeDecodeError) as error:
    sys.exit(str(error))
"""
"""Only the engine imports wasmtime; like the tools of other languages it is a process of its own here."""
_COMPONENTIZE_PY = "import sys; from componentize_py import script; sys.exit(script())"


@click.command("build")
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build"),
    show_default=True,
    help="Where the components are written.",
)
@json_option
def build(folders: tuple[Path, ...], *, output: Path, as_json: bool) -> None:
    """Build the components whose source is in FOLDERS, each into OUTPUT/<its name>.wasm.

    A folder has app.py, app.js, or component.wat; the world of its name is in the folder `wit` here.
    """
    for built in _all_built(folders, output):
        if as_json:
            print_json({"component": str(built), "size": built.stat().st_size})
        else:
            click.echo(f"{built}  {built.stat().st_size} bytes")


def _all_built(folders: tuple[Path, ...], output: Path) -> Iterator[Path]:
    with Steps(sys.stderr) as steps:
        for number, folder in enumerate(folders):
            steps.show(f"building {folder}", number, len(folders))
            built = output / f"{folder.resolve().name}.wasm"
            try:
                _build(folder, built)
            finally:
                steps.clear()
            yield built


def _build(folder: Path, built: Path) -> None:
    """What was there stays if it fails. Raises: Failure."""
    try:
        built.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=built.parent, prefix=".build-") as name:
            made = Path(name, built.name)
            _make(folder, made)
            made.replace(built)
    except OSError as error:
        raise Failure(Exit.USAGE, f"{built} cannot be written: {error.strerror}") from error


def _make(folder: Path, made: Path) -> None:
    """Raises: Failure, OSError."""
    world = folder.resolve().name
    if (folder / "component.wat").is_file():
        _run(folder, sys.executable, "-c", _ASSEMBLE, str(folder / "component.wat"), str(made))
    elif (folder / "app.py").is_file():
        if importlib.util.find_spec("componentize_py") is None:
            raise Failure(Exit.INVALID_SETUP, "Python needs componentize-py: pip install 'obelisk-wasm[build]'")
        python = (sys.executable, "-c", _COMPONENTIZE_PY, "-d", str(WIT), "-w", world)
        _run(folder, *python, "componentize", "-p", str(folder), "app", "-o", str(made))
    elif (folder / "app.js").is_file():
        if not JCO.is_file():
            raise Failure(Exit.INVALID_SETUP, f"JavaScript needs {JCO}: run `npm install` here")
        script = ("node", str(JCO), "componentize", str(folder / "app.js"))
        _run(folder, *script, "--wit", str(WIT), "--world-name", world, "--out", str(made))
    else:
        raise Failure(Exit.USAGE, f"{folder} has no source; expected app.py, app.js or component.wat in it")


def _run(folder: Path, *command: str) -> None:
    """Raises: Failure with what the tool said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise Failure(Exit.INVALID_SETUP, f"{command[0]} is not installed: {folder} needs it to be built") from error
    if done.returncode:
        raise Failure(Exit.INVALID_SETUP, f"{folder} cannot be built:\n{(done.stderr or done.stdout).strip()}")
