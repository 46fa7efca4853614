"""`obelisk db backup | check | migrate`."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from obelisk_server import compose
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import config_option, json_option, print_json

_store = config_option("Whose store.")


@contextmanager
def _store_of_a_file() -> Generator[None]:
    """Raises: Failure."""
    try:
        yield
    except compose.InvalidSetup as error:
        raise Failure(Exit.INVALID_SETUP, str(error)) from error
    except compose.CannotServe as error:
        raise Failure(Exit.UNAVAILABLE, str(error)) from error


@click.command("backup")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@_store
@json_option
def backup(target: Path, *, config_file: Path, as_json: bool) -> None:
    """Copy the store to the new FILE, also while a server runs: it is not held up.

    FILE is a store of its own, as of one moment. It comes into being when it is complete.
    """
    with _store_of_a_file():
        size = compose.back_up(config_file, os.environ, target)  # noqa: TID251 - the process's environment enters here
    if as_json:
        print_json({"file": str(target), "bytes": size})
    else:
        click.echo(f"{target}: {size} bytes")


@click.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def check(file: Path, *, as_json: bool) -> None:
    """Read a whole store and compare each execution with its log and responses; write nothing.

    Exit code 4 if something is wrong.
    """
    try:
        checked = compose.check(file)
    except compose.CannotServe as error:
        raise Failure(Exit.CONFLICT, str(error)) from error
    if as_json:
        print_json({"executions": checked.executions, "problems": list(checked.problems)})
    else:
        for problem in checked.problems:
            click.echo(problem)
        click.echo(f"{checked.executions} executions, {len(checked.problems)} problems")
    if checked.problems:
        raise SystemExit(Exit.CONFLICT)


@click.command("migrate")
@_store
@json_option
def migrate(config_file: Path, *, as_json: bool) -> None:
    """Bring the store to the schema of this release, as a server does when it starts; no server may run on it.

    What was there before is kept in a file beside it.
    """
    with _store_of_a_file():
        done = compose.migrate(config_file, os.environ)  # noqa: TID251 - as above
    if as_json:
        print_json({"before": done.before, "after": done.after, "copy": done.copy and str(done.copy)})
    elif done.copy is None:
        click.echo(f"schema {done.after} already; nothing to do")
    else:
        click.echo(f"schema {done.before} is now {done.after}; as it was before: {done.copy}")
