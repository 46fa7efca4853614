"""`obelisk execution get`."""

import click

from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.completion import complete_id
from obelisk_server.cli.output import client_command, print_fields, print_json, print_lines, terminal_width
from obelisk_server.cli.picture import draw

PAGE = "1000"
BELOW_MAX = 10_000
"""Executions below it that are read; the picture shows few of them, but says how many there are."""
EVENTS_MAX = 5_000
"""Of each log that is drawn."""
PLAIN_WIDTH = 120
"""Of a picture in a pipe."""


@click.command("get")
@click.argument("execution_id", shell_complete=complete_id)
@client_command
def get(client: Client, *, execution_id: str, as_json: bool) -> None:
    """Show one execution: state, parameters, result, and what is below it over time."""
    found = client.call("get-execution", execution_id)
    if as_json:
        print_json(found)
        return
    print_fields(found.items())
    below, more = _below(client, execution_id)
    cut_off: list[Json] = []

    def events(item: Json) -> list[Json]:
        if item["events"] > EVENTS_MAX:
            cut_off.append(item)
        return _events(client, item["id"])

    now = client.call("throughput")["now"]
    lines = draw(found, below, events, now, terminal_width() or PLAIN_WIDTH)
    click.echo()
    print_lines(lines)
    for item in cut_off:
        click.echo(f"{item['id']} is drawn from the first {EVENTS_MAX} of its {item['events']} events")
    if more:
        click.echo(f"below it are more than {BELOW_MAX}; see `obelisk execution list --parent {execution_id}`")


def _below(client: Client, execution_id: str) -> tuple[list[Json], bool]:
    """(executions in the order of submission, whether there are more)."""
    items: list[Json] = []
    cursor: str | None = None
    while len(items) < BELOW_MAX:
        page = client.call("list-children", execution_id, query={"tree": "true", "limit": PAGE, "cursor": cursor})
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items, False
    return items, True


def _events(client: Client, execution_id: str) -> list[Json]:
    items: list[Json] = []
    while len(items) < EVENTS_MAX:
        page = client.call("list-events", execution_id, query={"limit": PAGE, "cursor": str(len(items))})
        items += page["items"]
        if len(items) >= page["total"]:
            break
    return items
