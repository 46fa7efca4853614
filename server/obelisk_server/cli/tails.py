"""`obelisk execution events | responses | logs | requests`: lists of one execution that only grow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import click

from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.completion import complete_id
from obelisk_server.cli.output import client_command, compact, print_json
from obelisk_server.printable import visible

PAGE_MAX = 1_000
FOLLOW_WAIT = "10s"
LEVELS = ("trace", "debug", "info", "warn", "error")

_cursor = click.option("--cursor", type=click.IntRange(0), default=0, help="Go on where an earlier page ended.")
_limit = click.option("--limit", type=click.IntRange(1), help="How many at most (default: all).")
_follow_on = click.option("-f", "--follow", is_flag=True, help="Go on until the execution ends.")


@click.command("events", help="Show the event log.")
@click.argument("execution_id", shell_complete=complete_id)
@_cursor
@_limit
@_follow_on
@client_command
def events(client: Client, *, execution_id: str, **options: Any) -> None:
    _print_tail(Tail(client, execution_id, "list-events", ("version", "at", "event")), **options)


@click.command("responses", help="Show what its children and delays answered, in order.")
@click.argument("execution_id", shell_complete=complete_id)
@_cursor
@_limit
@_follow_on
@client_command
def responses(client: Client, *, execution_id: str, **options: Any) -> None:
    _print_tail(Tail(client, execution_id, "list-responses", ("position", "at", "response")), **options)


@click.command("logs", help="Show what its guest wrote.")
@click.argument("execution_id", shell_complete=complete_id)
@_cursor
@_limit
@_follow_on
@click.option("--level", type=click.Choice(LEVELS), help="Only this level and those above it.")
@click.option("--tree", is_flag=True, help="Also what everything below the execution wrote.")
@client_command
def logs(client: Client, *, execution_id: str, level: str | None, tree: bool, **options: Any) -> None:
    columns = ("at", "level", "source", *(("id",) if tree else ()))
    query = {"level": level, "tree": "true" if tree else None}
    _print_tail(Tail(client, execution_id, "list-logs", columns, "message", query), **options)


@click.command("requests", help="Show the HTTP requests that its attempts made.")
@click.argument("execution_id", shell_complete=complete_id)
@_cursor
@_limit
@_follow_on
@client_command
def requests(client: Client, *, execution_id: str, **options: Any) -> None:
    columns = ("at", "run", "method", "status", "url")
    _print_tail(Tail(client, execution_id, "list-requests", columns), **options)


@dataclass(frozen=True, slots=True)
class Tail:
    """A list of one execution that only grows, and how its items are shown."""

    client: Client
    execution_id: str
    operation: str
    columns: tuple[str, ...]
    last: str | None = None
    """The field that is shown without its name at the end; None: all other fields."""
    filters: Mapping[str, str | None] = field(default_factory=dict[str, str | None])

    def page(self, cursor: int, limit: int, wait: str | None) -> Json:
        query = {**self.filters, "cursor": str(cursor), "limit": str(limit), "wait": wait}
        return self.client.call(self.operation, self.execution_id, query=query)

    def line(self, item: Json) -> str:
        rest = {name: value for name, value in item.items() if name not in self.columns}
        end = rest[self.last] if self.last else " ".join(f"{name}={_field(value)}" for name, value in rest.items())
        return visible("  ".join([*(str(item[column]).ljust(5) for column in self.columns), end]))


def _print_tail(tail: Tail, *, cursor: int, limit: int | None, as_json: bool, follow: bool) -> None:
    """All of it, or `limit` items; JSON is one item a line."""
    left = limit
    while left is None or left > 0:
        asked = PAGE_MAX if left is None else min(left, PAGE_MAX)
        page = tail.page(cursor, asked, FOLLOW_WAIT if follow else None)
        for item in page["items"]:
            if as_json:
                print_json(item)
            else:
                click.echo(tail.line(item))
        cursor = page["next_cursor"]
        left = None if left is None else left - len(page["items"])
        if page["complete"] or (not follow and len(page["items"]) < asked):
            return


def _field(value: object) -> str:
    return value if isinstance(value, str) else compact(value)
