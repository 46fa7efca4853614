"""`obelisk execution submit-batch`."""

import json
from collections.abc import Iterator
from typing import TextIO

import click

from obelisk_server.cli.client import Client
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import client_command, print_json
from obelisk_server.cli.params import text_lines

BATCH_MAX = 1_000
"""As many are submitted in one transaction."""


@click.command("submit-batch")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@client_command
def submit_batch(client: Client, *, file: TextIO, as_json: bool) -> None:
    """Submit the executions of FILE, or of standard input (-): all of them, or none.

    At most 1,000 lines such as {"function": "fibo", "params": [10], "id": "E_...", "tags": {"user": "ann"}}; all but
    `function` may be left out.
    """
    lines = list(_lines(file))
    if not lines:
        raise Failure(Exit.USAGE, f"{file.name} has no line; expected one JSON object a line")
    if len(lines) > BATCH_MAX:
        raise Failure(Exit.USAGE, f"{file.name} has {len(lines)} lines, expected at most {BATCH_MAX}; split it")
    answer = client.call("submit-batch", body=f'{{"items": [{",".join(lines)}]}}')
    if as_json:
        print_json(answer)
        return
    for item in answer["items"]:
        click.echo(item["id"])


def _lines(file: TextIO) -> Iterator[str]:
    """Raises: Failure, naming the line."""
    for number, line in enumerate(text_lines(file), 1):
        if line.strip():
            yield _checked(line, f"line {number} of {file.name}")


def _checked(line: str, where: str) -> str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Failure(Exit.USAGE, f"{where} is not valid JSON: {error}") from error
    if not isinstance(found, dict) or "function" not in found:
        raise Failure(
            Exit.USAGE, f'{where} is no object with a "function", such as {{"function": "fibo", "params": []}}'
        )
    return line
