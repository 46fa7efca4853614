"""`obelisk db backup | check`."""

import os
from pathlib import Path

import click

from obelisk_server import compose
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import config_option, json_option, print_json


@click.command("backup")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@config_option("Whose store.")
@json_option
def backup(target: Path, *, config_file: Path, as_json: bool) -> None:
    """Copy the store to the new FILE, also while a server runs: it is not held up.

    FILE is a store of its own, as of one moment. It comes into being when it is complete.
    """
    try:
        size = compose.back_up(config_file, os.environ, target)  # noqa: TID251 - the process's environment enters here
    except compose.InvalidSetup as error:
        raise Failure(Exit.INVALID_SETUP, str(error)) from error
    except compose.CannotServe as error:
        raise Failure(Exit.UNAVAILABLE, str(error)) from error
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
