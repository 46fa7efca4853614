"""`obelisk execution submit | follow`."""

import json

import click

from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.completion import complete_function, complete_id
from obelisk_server.cli.failure import Exit
from obelisk_server.cli.follow import Follow
from obelisk_server.cli.output import client_command, compact, print_json, print_one
from obelisk_server.cli.params import params_text, tags_of


@click.command("submit")
@click.argument("function", shell_complete=complete_function)
@click.argument("params", default="[]")
@click.option("--id", "chosen_id", help="Choose the id: the same submit again is then no second run.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A searchable tag; may be repeated.")
@click.option("--at", help="Begin at this time, such as 2026-01-31T12:00:00Z.")
@click.option("--in", "delay", metavar="DURATION", help="Begin after this long, such as 10m.")
@click.option("--deadline", metavar="TIME|DURATION", help="End it, with its children, if it has not ended by then.")
@click.option("--paused", is_flag=True, help="It waits until it is resumed.")
@click.option("-f", "--follow", is_flag=True, help="Show progress until it ends, then its result.")
@client_command
def submit(  # noqa: PLR0913 - one for each option
    client: Client,
    *,
    function: str,
    params: str,
    chosen_id: str | None,
    tags: tuple[str, ...],
    at: str | None,
    delay: str | None,
    deadline: str | None,
    paused: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Run FUNCTION with PARAMS: a JSON array, - for standard input, or @FILE.

    The end of a function's name is enough where only one function has it.
    """
    if at and delay:
        raise click.UsageError("--at and --in exclude one another")
    fields: Json = {
        "function": function,
        "id": chosen_id,
        "tags": tags_of(tags),
        "due": at or delay,
        "deadline": deadline,
        "paused": paused,
    }
    given = json.dumps({name: value for name, value in fields.items() if value})
    submitted = client.call("submit", body=f'{given[:-1]}, "params": {params_text(params)}}}')
    if follow:
        _follow(client, submitted["id"], as_json=as_json)
    else:
        print_one(submitted, "id", as_json=as_json)


@click.command("follow", help="Show progress until it ends, then its result.")
@click.argument("execution_id", shell_complete=complete_id)
@client_command
def follow_execution(client: Client, *, execution_id: str, as_json: bool) -> None:
    client.call("get-execution", execution_id)  # one that is not there, or nowhere, is not waited for
    _follow(client, execution_id, as_json=as_json)


def _follow(client: Client, execution_id: str, *, as_json: bool) -> None:
    click.echo(f"following {execution_id}; Ctrl-C stops following, not the execution", err=True)
    found = Follow(client, execution_id).run()
    if as_json:
        print_json(found)
    else:
        click.echo(compact(found["result"]))
    if found["outcome"] != "ok":
        raise SystemExit(Exit.EXECUTION_FAILED)
