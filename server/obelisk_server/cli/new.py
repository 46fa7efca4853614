"""`obelisk new`: a folder to begin with."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

import obelisk_runtime
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import json_option, print_json

LANGUAGES = ("python", "javascript", "wat")
STARTERS = Path(__file__).parents[1] / "starters"
"""Their files end in `.txt` too, so that no tool takes them for sources of this package."""
WIT = Path(obelisk_runtime.__file__).parent / "wit"
WIT_PACKAGES = ("obelisk_types@5.0.0", "obelisk_workflow@6.0.0")


@click.command("new")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--language", type=click.Choice(LANGUAGES), default=LANGUAGES[0], show_default=True, help="Of their source."
)
@json_option
def new(folder: Path, *, language: str, as_json: bool) -> None:
    """Write a workflow, an activity and obelisk.toml into FOLDER, which must be new or empty."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Failure(Exit.CONFLICT, f"{folder} is there already and not empty; name a new folder")
        _write(folder, dict(_files(language)))
    except OSError as error:
        raise Failure(Exit.USAGE, f"{folder} cannot be written: {error.strerror}") from error
    if as_json:
        print_json({"folder": str(folder), "language": language})
    else:
        click.echo(f"{folder} has a workflow and an activity; {folder / 'README.md'} says how to build and run them")


def _files(language: str) -> Iterator[tuple[Path, Path]]:
    """(where in the folder, what is copied there)."""
    for starter in (STARTERS / "shared", STARTERS / language):
        for file in starter.rglob("*.txt"):
            yield file.relative_to(starter).with_suffix(""), file
    for package in WIT_PACKAGES:
        for file in (WIT / package).glob("*.wit"):
            yield Path("wit", "deps", package, file.name), file


def _write(folder: Path, files: dict[Path, Path]) -> None:
    """Written apart and then moved, so that what fails leaves nothing half-written. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as name:
        written = Path(name)
        for place, source in files.items():
            (written / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, written / place)
        for entry in list(written.iterdir()):
            entry.replace(folder / entry.name)
