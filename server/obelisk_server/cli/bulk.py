"""`obelisk execution bulk …`: one thing done with all executions that a filter matches, after a dry run."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from obelisk_server.cli import layout
from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.filters import filter_options, given
from obelisk_server.cli.output import client_command, print_json, print_lines, terminal_width

BULK_SECONDS_MAX = 120.0
"""A page of deletions may have many children below."""


def _all(verb: str, explanation: str) -> click.Command:
    """`obelisk execution bulk <verb>`: shows what matches, asks, and says what became of it."""

    @click.command(verb, help=explanation)
    @filter_options
    @click.option("--dry-run", is_flag=True, help="Only say how many and which ones they are.")
    @click.option("-y", "--yes", is_flag=True, help="Do not ask.")
    @click.option("--reason", help="Why, for the event logs.")
    @client_command
    def command(client: Client, *, dry_run: bool, yes: bool, reason: str | None, as_json: bool, **options: Any) -> None:
        chosen = given(options)
        if not chosen:
            raise Failure(Exit.USAGE, "no filter is given; say which executions, for example with --function or --tag")
        operation = f"bulk-{verb}"
        seen = _asked(client, operation, {"filter": chosen, "dry_run": True})
        if dry_run or not seen["matches"]:
            _show(seen, as_json=as_json)
            return
        if not yes:
            _confirm(verb, seen)
        body: Json = {"filter": chosen, "token": seen["token"], "reason": reason}
        _report(_carried_out(client, operation, body), as_json=as_json)

    return command


def _asked(client: Client, operation: str, body: Json) -> Json:
    return client.call(operation, body=json.dumps(body), seconds=BULK_SECONDS_MAX)


def _show(seen: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(seen)
        return
    click.echo(_matching(seen))
    rows = [(item["id"], item.get("outcome", item["status"]), item["function"]) for item in seen["samples"]]
    if rows:
        print_lines(layout.table(("ID", "STATUS", "FUNCTION"), rows, terminal_width()))
    hidden = seen["matches"] - len(rows)
    if hidden > 0:
        click.echo(f"{hidden} more")


def _matching(seen: Json) -> str:
    count = f"{seen['matches']} or more" if seen["more"] else str(seen["matches"])
    return f"{count} {'execution matches' if count == '1' else 'executions match'}"


def _confirm(verb: str, seen: Json) -> None:
    """Raises: Failure where nobody can be asked, click.Abort."""
    if not sys.stdin.isatty():
        raise Failure(Exit.USAGE, f"{_matching(seen)}, and nothing was done; repeat it with --yes to {verb} them")
    _show(seen, as_json=False)
    click.confirm(f"{verb} {seen['matches']}?", abort=True)


def _carried_out(client: Client, operation: str, body: Json) -> Iterator[Json]:
    cursor: str | None = None
    while True:
        page = _asked(client, operation, body | {"cursor": cursor})
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _report(items: Iterator[Json], *, as_json: bool) -> None:
    """One line for each as it is done, then how many. Raises: SystemExit with CONFLICT if some were refused."""
    counts = Counter[str]()
    for item in items:
        counts["refused" if "refused" in item else item["outcome"]] += 1
        if as_json:
            print_json(item)
        else:
            click.echo(f"{item['id']}  {item.get('outcome') or 'refused: ' + item['refused']}")
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()), err=True)
    if counts["refused"]:
        raise SystemExit(Exit.CONFLICT)


cancel = _all("cancel", "Cancel activities, and workflows whose names end in -cancellable.")
pause = _all("pause", "Let nothing take them up until they are resumed.")
resume = _all("resume", "Go on with those that are paused.")
delete = _all("delete", "Delete finished ones with all that is below them.")
