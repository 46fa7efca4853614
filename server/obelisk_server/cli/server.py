"""`obelisk server …`."""

import os
from pathlib import Path

import click

from obelisk_server import compose
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import json_option, print_json

_config = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    default=Path("obelisk.toml"),
    show_default=True,
    help="The file that says what to run.",
)


@click.group(help="Run the server, or check what it would run.")
def server() -> None: ...


@server.command("run", help="Check everything, then serve until SIGTERM or Ctrl-C.")
@_config
def run(config_file: Path) -> None:
    try:
        compose.run(config_file, os.environ)  # noqa: TID251 - the process's environment enters here
    except compose.InvalidSetup as error:
        raise Failure(Exit.INVALID_SETUP, str(error)) from error
    except compose.CannotServe as error:
        raise Failure(Exit.CANNOT_SERVE, str(error)) from error


@server.command("verify", help="Check obelisk.toml and every component; touch nothing.")
@_config
@json_option
def verify(config_file: Path, *, as_json: bool) -> None:
    try:
        verified = compose.verify(config_file, os.environ)  # noqa: TID251 - the process's environment enters here
    except compose.InvalidSetup as error:
        raise Failure(Exit.INVALID_SETUP, str(error), {"problems": list(error.problems)}) from error
    except compose.CannotServe as error:
        raise Failure(Exit.CANNOT_SERVE, str(error)) from error
    if as_json:
        print_json({"components": verified.components, "functions": verified.functions})
    else:
        click.echo(f"{config_file} is right: {verified.components} components, {verified.functions} functions")
