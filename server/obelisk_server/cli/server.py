"""`obelisk server …`."""

from pathlib import Path

import click

from obelisk_server.cli.client import Client
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import client_command, config_option, json_option, print_json

RELOAD_SECONDS_MAX = 600.0
"""Components may have to be pulled and compiled."""

_config = config_option("The file that says what to run.")

_locked = click.option("--locked", is_flag=True, help="Refuse locations in registries that have no digest.")


@click.command("run", help="Check everything, then serve until SIGTERM or Ctrl-C.")
@_config
@_locked
def run(config_file: Path, *, locked: bool) -> None:
    from obelisk_server.cli import serving  # noqa: PLC0415 - `--help` needs nothing of it

    serving.run(config_file, locked=locked)


@click.command("verify", help="Check obelisk.toml and every component; touch nothing.")
@_config
@_locked
@json_option
def verify(config_file: Path, *, locked: bool, as_json: bool) -> None:
    from obelisk_server.cli import serving  # noqa: PLC0415 - as above

    verified = serving.verify(config_file, locked=locked)
    if as_json:
        print_json({"components": verified.components, "functions": verified.functions})
    else:
        click.echo(f"{config_file} is right: {verified.components} components, {verified.functions} functions")


@click.command("reload")
@client_command
def reload(client: Client, *, as_json: bool) -> None:
    """Let a running server take its obelisk.toml again: new components and settings, nothing lost or paused.

    If anything is wrong, what was deployed stays. SIGHUP does the same.
    """
    try:
        answer = client.call("reload", seconds=RELOAD_SECONDS_MAX)
    except Failure as failure:
        if failure.code is Exit.USAGE:  # not what was typed here is wrong
            failure.code = Exit.INVALID_SETUP
        raise
    if as_json:
        print_json(answer)
        return
    click.echo(f"reloaded: {answer['components']} components, {answer['functions']} functions")
    for name in answer["changed"]:
        click.echo(f"  changed: {name}")
    for name in answer["restart_needed"]:
        click.echo(f"  needs a restart: {name}", err=True)
