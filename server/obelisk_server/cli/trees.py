"""`obelisk execution fork | export | import | hold | release`."""

import base64
import json
import re
from pathlib import Path

import click

from obelisk_server.cli.client import Client, Json, segment
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import client_command, print_json

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@click.command("fork")
@click.argument("execution_id")
@click.option("--at", "version", type=click.IntRange(1), required=True, help="Reuse what is recorded before it.")
@click.option("--component", metavar="FILE|DIGEST", help="Go on with this component instead of the original's.")
@client_command
def fork(client: Client, *, execution_id: str, version: int, component: str | None, as_json: bool) -> None:
    """Begin a new execution that reuses the history of a workflow before VERSION.

    The original is left alone. What it had open at that version is created afresh.
    """
    body: Json = {"version": version}
    if component is not None:
        body |= {"digest": component} if _DIGEST.fullmatch(component) else {"component": _bytes(Path(component))}
    answer = client.post(f"/v1/executions/{segment(execution_id)}/fork", json.dumps(body))
    if as_json:
        print_json(answer)
    else:
        click.echo(answer["id"])


def _bytes(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode()
    except OSError as error:
        raise Failure(Exit.USAGE, f"--component: cannot read {file}: {error.strerror}") from error


@click.command("hold")
@click.argument("execution_id")
@client_command
def hold(client: Client, *, execution_id: str, as_json: bool) -> None:
    """Keep an execution, with its whole tree, from being deleted when it is old."""
    _print_outcome(client.post(f"/v1/executions/{segment(execution_id)}/hold", "{}"), as_json=as_json)


@click.command("release")
@click.argument("execution_id")
@client_command
def release(client: Client, *, execution_id: str, as_json: bool) -> None:
    """Let an execution, with its whole tree, be deleted when it is old."""
    _print_outcome(client.post(f"/v1/executions/{segment(execution_id)}/release", "{}"), as_json=as_json)


def _print_outcome(answer: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(answer["outcome"])


COMMANDS = (fork, hold, release)
