"""`obelisk db prune`."""

import json

import click

from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.output import client_command, print_json


@click.command("prune")
@click.option("--older-than", required=True, metavar="DURATION", help="Finished longer ago than this, such as 30d.")
@client_command
def prune(client: Client, *, older_than: str, as_json: bool) -> None:
    """Delete finished trees of executions; those that are held stay.

    They are gone when this ends. The room they took in the file is freed in the background.
    """
    trees = 0
    body: Json = {"older_than": older_than}
    while True:
        page = client.call("prune", body=json.dumps(body))
        trees += page["trees"]
        if page["next_cursor"] is None:
            break
        body["cursor"] = page["next_cursor"]
    if as_json:
        print_json({"trees": trees})
    else:
        click.echo(f"{trees} deleted")
