"""`obelisk execution replay`, `obelisk execution upgrade`, `obelisk component upgrade`."""

import base64
import json
from collections import Counter
from pathlib import Path

import click

from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.completion import complete_component, complete_id
from obelisk_server.cli.failure import Exit
from obelisk_server.cli.output import client_command, print_json
from obelisk_server.printable import visible

UPGRADES_PER_REQUEST = 10
REPLAY_SECONDS_MAX = 600.0
"""A server gives up a replay after a minute, may have others to do before, and replays several for a component."""
_STAYED = frozenset({"stays"})


@click.command("replay")
@click.argument("execution_id", shell_complete=complete_id)
@click.option(
    "--component",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Replay on this component instead of its own.",
)
@client_command
def replay(client: Client, *, execution_id: str, file: Path | None, as_json: bool) -> None:
    """Run a workflow's history again and compare; write nothing.

    Exit code 4 if the component asks for something else than is recorded.
    """
    body = {} if file is None else {"component": base64.b64encode(file.read_bytes()).decode()}
    answer = client.call("replay", execution_id, body=json.dumps(body), seconds=REPLAY_SECONDS_MAX)
    if as_json:
        print_json(answer)
    elif answer["matches"]:
        click.echo(f"matches: {answer['entries']} entries, {answer['digest']}")
    else:
        click.echo(f"differs on {answer['digest']}")
        click.echo(difference_text(answer["difference"]))
    if not answer["matches"]:
        raise SystemExit(Exit.CONFLICT)


def difference_text(difference: Json) -> str:
    """Why a component does not repeat a history, as a diff."""
    if "reason" in difference:
        return visible(f"  {difference['reason']}")
    lines = [
        f"  version   {difference['version']}",
        click.style(f"- recorded  {difference['recorded'] or 'nothing more'}", fg="red"),
        click.style(f"+ asked     {difference['asked'] or 'nothing more'}", fg="green"),
        *(f"  at        {frame}" for frame in difference["position"]),
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
        body = {"limit": UPGRADES_PER_REQUEST} | ({} if cursor is None else {"cursor": cursor})
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
