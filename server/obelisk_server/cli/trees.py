"""`obelisk execution fork | export | import | hold | release`."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.completion import complete_id
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import client_command, compact, print_json, print_lines, print_one
from obelisk_server.cli.params import text_lines
from obelisk_server.files import replace_file

TREE_SECONDS_MAX = 600.0
"""Large trees take a server a minute."""
_STDOUT = Path("-")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@click.command("fork")
@click.argument("execution_id", shell_complete=complete_id)
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
    print_one(client.call("fork", execution_id, body=json.dumps(body)), "id", as_json=as_json)


def _bytes(file: Path) -> str:
    try:
        return base64.b64encode(file.read_bytes()).decode()
    except OSError as error:
        raise Failure(Exit.USAGE, f"--component: cannot read {file}: {error.strerror}") from error


@click.command("hold")
@click.argument("execution_id", shell_complete=complete_id)
@client_command
def hold(client: Client, *, execution_id: str, as_json: bool) -> None:
    """Keep an execution, with its whole tree, from being deleted when it is old."""
    print_one(client.call("hold", execution_id), "outcome", as_json=as_json)


@click.command("release")
@click.argument("execution_id", shell_complete=complete_id)
@client_command
def release(client: Client, *, execution_id: str, as_json: bool) -> None:
    """Let an execution, with its whole tree, be deleted when it is old."""
    print_one(client.call("release", execution_id), "outcome", as_json=as_json)


@click.command("export")
@click.argument("execution_ids", nargs=-1, required=True, shell_complete=complete_id)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), help="Default: stdout."
)
@client_command
def export(client: Client, *, execution_ids: tuple[str, ...], output: Path | None, as_json: bool) -> None:  # noqa: ARG001
    """Write whole trees of executions as JSON Lines, to be imported elsewhere.

    Keep the file as secret as the store. The bytes of components are not in it.
    """
    trees = (client.call("export", execution_id, seconds=TREE_SECONDS_MAX) for execution_id in execution_ids)
    lines = (compact(line) for tree in trees for line in tree["lines"])
    if output is None or output == _STDOUT:
        print_lines(lines)
        return
    try:
        replace_file(output, "".join(f"{line}\n" for line in lines).encode())
    except OSError as error:
        raise Failure(Exit.USAGE, f"{output} cannot be written: {error.strerror}") from error


@click.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@client_command
def import_file(client: Client, *, file: TextIO, as_json: bool) -> None:
    """Take in what `export` wrote; - is standard input. What is unfinished arrives paused.

    Each tree is taken in as a whole. One that is here already is left as it is if it is equal, else refused.
    """
    for tree in _trees(file):
        answer = client.call("import", seconds=TREE_SECONDS_MAX, body=f'{{"lines": [{",".join(tree)}]}}')
        if as_json:
            print_json(answer)
            continue
        click.echo(f"{answer['id']}  {answer['outcome']}")
        for digest in answer["missing_components"]:
            click.echo(f"deploy the component {digest} before this is resumed", err=True)


def _trees(file: TextIO) -> Iterator[list[str]]:
    """The lines of each tree: it begins with an execution that is below none."""
    tree: list[str] = []
    for number, line in enumerate(text_lines(file), 1):
        if not line.strip():
            continue
        try:
            top = "." not in json.loads(line)["id"]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise Failure(Exit.USAGE, f"line {number} of {file.name} is no exported execution: {error}") from error
        if top and tree:
            yield tree
            tree = []
        tree.append(line)
    if tree:
        yield tree
