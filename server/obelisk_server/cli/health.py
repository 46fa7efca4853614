"""`obelisk server health`."""

from collections.abc import Iterator
from functools import partial

import click

from obelisk_server.cli import layout
from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.layout import seconds_text
from obelisk_server.cli.output import client_command, terminal_width
from obelisk_server.cli.watch import show, watch_option
from obelisk_server.printable import visible


@click.command("health")
@watch_option
@client_command
def health(client: Client, *, watch: bool, as_json: bool) -> None:
    """Say how a running server is: queue, memory, latencies, and what failed lately."""
    show(partial(client.call, "health"), lambda found: list(_lines(found)), as_json=as_json, watch=watch)


def _lines(found: Json) -> Iterator[str]:
    queue, memory = found["queue"], found["memory"]
    yield f"state       {'ready' if found['ready'] else 'not ready'}"
    if found["trouble"]:
        yield f"store       {visible(found['trouble'])}"
    due = f"{queue['due']}{' or more' if queue['more'] else ''} due"
    oldest = f", the oldest for {seconds_text(queue['oldest_seconds'])}" if queue["due"] else ""
    yield f"queue       {due}{oldest}"
    yield f"workflows   {memory['workflows']} of {memory['workflows_max']} in memory"
    yield f"activities  {memory['activities']} of {memory['activities_max']} running"
    rows = [(name, one["count"], *(_latency(one[part]) for part in _PARTS)) for name, one in found["latencies"].items()]
    yield ""
    yield from layout.table(("LATENCY", "COUNT", *(part.upper() for part in _PARTS)), rows, terminal_width())
    if found["failures"]:
        failures = [
            (one["latest_id"], one["count"], one["result"], one["function"], one["reason"]) for one in found["failures"]
        ]
        yield ""
        yield from layout.table(("LATEST", "FAILED", "RESULT", "FUNCTION", "REASON"), failures, terminal_width())


_PARTS = ("p50", "p90", "p99")


def _latency(seconds: float | None) -> str:
    return "" if seconds is None else f"{float(f'{seconds * 1000:.3g}'):g} ms"
