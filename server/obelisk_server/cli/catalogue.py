"""`obelisk function …` and `obelisk component list`."""

import click

from obelisk_server.cli.client import Client
from obelisk_server.cli.output import client_command, print_json, print_table


@click.group(help="Functions that can be called.")
def function() -> None: ...


@function.command("list", help="List every function with its type.")
@client_command
def list_functions(client: Client, *, as_json: bool) -> None:
    page = client.call("list-functions")
    if as_json:
        print_json(page)
        return
    rows = [(item["kind"], item["component"], item["function"], item["type"]) for item in page["items"]]
    print_table(("KIND", "COMPONENT", "FUNCTION", "TYPE"), rows)


@click.command("list", help="List every deployed component.")
@client_command
def list_components(client: Client, *, as_json: bool) -> None:
    page = client.call("list-components")
    if as_json:
        print_json(page)
        return
    rows = [
        (item["kind"], item["name"], item["size"], item["digest"][:19], len(item["exports"]), item["location"])
        for item in page["items"]
    ]
    print_table(("KIND", "NAME", "BYTES", "DIGEST", "EXPORTS", "LOCATION"), rows)
