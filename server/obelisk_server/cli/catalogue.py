"""`obelisk function …`, and the commands about deployed components."""

from collections.abc import Iterator
from functools import partial

import click

from obelisk_server.cli import layout
from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.completion import complete_component, complete_function
from obelisk_server.cli.output import client_command, print_fields, print_json, print_lines, terminal_width
from obelisk_server.cli.watch import show, watch_option
from obelisk_server.printable import visible


@click.command("list", help="List every function with its type.")
@watch_option
@client_command
def list_functions(client: Client, *, watch: bool, as_json: bool) -> None:
    show(partial(client.call, "list-functions"), _functions, as_json=as_json, watch=watch)


def _functions(page: Json) -> list[str]:
    rows = [(item["kind"], item["component"], item["function"], item["type"]) for item in page["items"]]
    return layout.table(("KIND", "COMPONENT", "FUNCTION", "TYPE"), rows, terminal_width())


@click.command("get")
@click.argument("name", shell_complete=complete_function)
@client_command
def get_function(client: Client, *, name: str, as_json: bool) -> None:
    """Show a function: its component, parameters and result."""
    found = client.call("get-function", name)
    if as_json:
        print_json(found)
        return
    result = found["result"]
    params = ((f"  {param['name']}", param["wit"]) for param in found["params"])
    fields = ((name, found[name]) for name in ("function", "kind", "component"))
    print_fields([*fields, *params, ("result", result and result["wit"])])


@click.command("wit")
@click.argument("name", shell_complete=complete_function)
@client_command
def function_wit(client: Client, *, name: str, as_json: bool) -> None:
    """Print the WIT of the component that exports a function."""
    component = client.call("get-function", name)["component"]
    found = client.call("get-component", component)
    if as_json:
        print_json({"function": name, "component": component, "wit": found["wit"]})
    else:
        click.echo(found["wit"].rstrip())


@click.command("list", help="List every deployed component.")
@watch_option
@client_command
def list_components(client: Client, *, watch: bool, as_json: bool) -> None:
    show(partial(client.call, "list-components"), _components, as_json=as_json, watch=watch)


def _components(page: Json) -> list[str]:
    rows = [
        (item["kind"], item["name"], item["size"], item["digest"][:19], len(item["exports"]), item["location"])
        for item in page["items"]
    ]
    return layout.table(("KIND", "NAME", "BYTES", "DIGEST", "EXPORTS", "LOCATION"), rows, terminal_width())


@click.command("get")
@click.argument("name", shell_complete=complete_component)
@client_command
def get_component(client: Client, *, name: str, as_json: bool) -> None:
    """Show a deployed component: what it exports, whom it calls and who calls it, executions on each version."""
    found = client.call("get-component", name)
    if as_json:
        print_json(found)
        return
    print_fields((name, found[name]) for name in ("name", "kind", "location", "digest", "size"))
    print_lines(visible(line) for line in _component_parts(found))


def _component_parts(found: Json) -> Iterator[str]:
    yield "exports"
    yield from (f"  {item['function']}: {item['type']}" for item in found["exports"])
    for title in ("calls", "callers"):
        if found[title]:
            yield title
            yield from (f"  {one['component']}: {', '.join(one['functions'])}" for one in found[title])
    if found["versions"]:
        yield "executions"
    for version in found["versions"]:
        deployed = ", deployed" if version["deployed"] else ""
        which = version["digest"] or "whatever is deployed"
        yield f"  {which}: {version['unfinished']} unfinished, {version['finished']} finished{deployed}"
