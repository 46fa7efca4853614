"""`obelisk server …`."""

import os
import sys
from pathlib import Path

import click

from obelisk_server import compose
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import json_option, print_json
from obelisk_server.cli.progress import Bars
from obelisk_server.sources import Pulling

_config = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    default=Path("obelisk.toml"),
    show_default=True,
    help="The file that says what to run.",
)

_locked = click.option("--locked", is_flag=True, help="Refuse locations in registries that have no digest.")


@click.group(help="Run the server, or check what it would run.")
def server() -> None: ...


@server.command("run", help="Check everything, then serve until SIGTERM or Ctrl-C.")
@_config
@_locked
def run(config_file: Path, *, locked: bool) -> None:
    try:
        with Bars(sys.stderr) as bars:
            compose.run(config_file, os.environ, Pulling(locked, bars.bar))  # noqa: TID251 - the environment enters here
    except compose.InvalidSetup as error:
        raise Failure(Exit.INVALID_SETUP, str(error)) from error
    except compose.CannotServe as error:
        raise Failure(Exit.CANNOT_SERVE, str(error)) from error


@server.command("verify", help="Check obelisk.toml and every component; touch nothing.")
@_config
@_locked
@json_option
def verify(config_file: Path, *, locked: bool, as_json: bool) -> None:
    try:
        with Bars(sys.stderr) as bars:
            pulling = Pulling(locked, bars.bar)
            verified = compose.verify(config_file, os.environ, pulling)  # noqa: TID251 - the environment enters here
    except compose.InvalidSetup as error:
        raise Failure(Exit.INVALID_SETUP, str(error), {"problems": list(error.problems)}) from error
    except compose.CannotServe as error:
        raise Failure(Exit.CANNOT_SERVE, str(error)) from error
    if as_json:
        print_json({"components": verified.components, "functions": verified.functions})
    else:
        click.echo(f"{config_file} is right: {verified.components} components, {verified.functions} functions")
