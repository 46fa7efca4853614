"""`obelisk execution list | counts`."""

from functools import partial
from typing import Any

import click

from obelisk_server.cli import layout
from obelisk_server.cli.changes import Changes
from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.filters import filter_options, given
from obelisk_server.cli.output import client_command, terminal_width
from obelisk_server.cli.watch import show, watch_option

PAGE_MAX = 1_000


@click.command("list")
@filter_options
@click.option("--oldest-first", is_flag=True, help="In the order of creation.")
@click.option("--limit", type=click.IntRange(1, PAGE_MAX), default=50, show_default=True)
@click.option("--cursor", help="Go on where an earlier page ended.")
@watch_option
@client_command
def list_executions(client: Client, *, as_json: bool, watch: bool, **options: Any) -> None:
    """List executions, newest first."""
    query = {name: "true" if value is True else value for name, value in given(options).items()}
    read = partial(client.call, "list-executions", query=query)
    below = "true" if query.keys() & {"children", "parent", "id"} else None
    changes = Changes(client, "stream-all", {"children": below})
    show(read, _table, as_json=as_json, watch=watch, changes=changes)


def _table(page: Json) -> list[str]:
    rows = [(item["id"], item["created_at"], _status(item), item["function"]) for item in page["items"]]
    width = terminal_width()
    lines = layout.table(("ID", "CREATED", "STATUS", "FUNCTION"), rows, width)
    if not page["next_cursor"]:
        return lines
    more = f"more: --cursor {page['next_cursor']}"
    if width is not None:
        return [*lines, more]
    click.echo(more, err=True)  # what reads the pipe wants rows
    return lines


def _status(item: Json) -> str:
    if "outcome" in item:
        return item["outcome"]
    return item["status"] if item["lifecycle"] == "active" else item["lifecycle"]


@click.command("counts")
@click.option("--children", is_flag=True, help="Children too.")
@watch_option
@client_command
def counts(client: Client, *, children: bool, watch: bool, as_json: bool) -> None:
    """Say how many executions there are, by status and by result."""
    query = {"children": "true" if children else None}
    read = partial(client.call, "count-executions", query=query)
    show(read, _counts_table, as_json=as_json, watch=watch, changes=Changes(client, "stream-all", query))


def _counts_table(found: Json) -> list[str]:
    rows = [(name, "", count) for name, count in found["statuses"].items()]
    rows += [("finished", name, count) for name, count in found["results"].items()]
    return layout.table(("STATUS", "RESULT", "EXECUTIONS"), rows, terminal_width())
