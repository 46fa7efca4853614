"""`obelisk execution replay`, `obelisk execution upgrade`, also of many at once."""

import base64
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.completion import complete_component, complete_id
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.filters import filter_options, given
from obelisk_server.cli.output import client_command, print_json
from obelisk_server.cli.progress import Steps
from obelisk_server.printable import visible

PER_REQUEST = 10
"""Of upgrades, and of replays."""
REPLAY_SECONDS_MAX = 600.0
"""A server gives up a replay after a minute, may have others to do before, and replays several for a component."""
_STAYED = frozenset({"stays"})


_component = click.option(
    "--component",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Replay on this component instead of its own.",
)


@click.command("replay")
@click.argument("execution_id", shell_complete=complete_id)
@_component
@client_command
def replay(client: Client, *, execution_id: str, file: Path | None, as_json: bool) -> None:
    """Run a workflow's history again and compare; write nothing.

    Exit code 4 if the component asks for something else than is recorded.
    """
    answer = client.call("replay", execution_id, body=json.dumps(_sent(file)), seconds=REPLAY_SECONDS_MAX)
    if as_json:
        print_json(answer)
    else:
        click.echo(_replayed_text(answer))
    if not answer["matches"]:
        raise SystemExit(Exit.CONFLICT)


@click.command("replay")
@filter_options
@_component
@client_command
def replay_many(client: Client, *, file: Path | None, as_json: bool, **options: Any) -> None:
    """Run the histories of all workflows that a filter matches again and compare; write nothing.

    With --component it says whether a new version may be deployed for what is under way. Prints a line for each that
    differs, and JSON for all with --json. Exit code 4 if some differ.
    """
    chosen = given(options)
    if not chosen:
        raise Failure(Exit.USAGE, "no filter is given; say which executions, for example with --function or --status")
    counts = Counter[bool]()
    for answer in _replays(client, {"filter": chosen, "limit": PER_REQUEST, **_sent(file)}):
        counts[answer["matches"]] += 1
        if as_json:
            print_json(answer)
        elif not answer["matches"]:
            click.echo(f"{answer['id']}  {_replayed_text(answer)}")
    click.echo(f"{counts[True]} match, {counts[False]} differ" if counts else "no workflow to replay", err=True)
    if counts[False]:
        raise SystemExit(Exit.CONFLICT)


def _replays(client: Client, body: Json) -> Iterator[Json]:
    done, matching, cursor = 0, 0, None
    with Steps(sys.stderr) as steps:
        while True:
            steps.show(f"replaying, {done} of {matching} done" if matching else "replaying", done, matching)
            page = client.call("bulk-replay", body=json.dumps(body | {"cursor": cursor}), seconds=REPLAY_SECONDS_MAX)
            steps.clear()
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return
            matching = page.get("matching", matching)
            done = min(done + PER_REQUEST, matching)


def _sent(file: Path | None) -> Json:
    return {} if file is None else {"component": base64.b64encode(file.read_bytes()).decode()}


def _replayed_text(answer: Json) -> str:
    if answer["matches"]:
        return f"matches: {answer['entries']} entries, {answer['digest']}"
    return f"differs on {answer['digest']}\n{difference_text(answer['difference'])}"


def difference_text(difference: Json) -> str:
    """Why a component does not repeat a history, as a diff, for a terminal."""
    if "reason" in difference:
        return visible(f"  {difference['reason']}")
    lines = [
        f"  version   {difference['version']}",
        click.style(visible(f"- recorded  {difference['recorded'] or 'nothing more'}"), fg="red"),
        click.style(visible(f"+ asked     {difference['asked'] or 'nothing more'}"), fg="green"),
        *(visible(f"  at        {frame}") for frame in difference["position"]),
    ]
    return "\n".join(lines)


@click.command("upgrade")
@click.argument("execution_id", shell_complete=complete_id)
@client_command
def upgrade(client: Client, *, execution_id: str, as_json: bool) -> None:
    """Move a workflow to the component that is deployed now, if its history replays on that.

    Exit code 4 if it does not: it stays where it is.
    """
    answer = client.call("upgrade", execution_id, seconds=REPLAY_SECONDS_MAX)
    _print_upgrade(answer, as_json=as_json)
    if answer["outcome"] in _STAYED:
        raise SystemExit(Exit.CONFLICT)


def _print_upgrade(item: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(item)
        return
    click.echo(f"{item['id']}  {item['outcome']}  {item['digest']}")
    if "difference" in item:
        click.echo(difference_text(item["difference"]))


@click.command("upgrade")
@click.argument("name", shell_complete=complete_component)
@client_command
def upgrade_component(client: Client, *, name: str, as_json: bool) -> None:
    """Move all unfinished executions of a component to what is deployed now, where their history replays on that.

    Prints a line for each, JSON with --json. Exit code 4 if some stay where they are.
    """
    counts = Counter[str]()
    cursor: str | None = None
    while True:
        body = {"limit": PER_REQUEST} | ({} if cursor is None else {"cursor": cursor})
        page = client.call("upgrade-component", name, body=json.dumps(body), seconds=REPLAY_SECONDS_MAX)
        for item in page["items"]:
            counts[item["outcome"]] += 1
            _print_upgrade(item, as_json=as_json)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "nothing to upgrade", err=True)
    if counts.keys() & _STAYED:
        raise SystemExit(Exit.CONFLICT)
