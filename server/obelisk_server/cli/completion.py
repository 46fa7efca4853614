"""`obelisk completion SHELL`, and what a shell completes from the server."""

from contextlib import closing
from pathlib import Path

import click
from click.shell_completion import CompletionItem, FishComplete, get_completion_class

from obelisk_server.cli.client import DEFAULT_SERVER, Json
from obelisk_server.cli.failure import Failure
from obelisk_server.cli.output import client_of, json_option, print_json

ANSWER_SECONDS_MAX = 1.0
"""A shell that waits for its server longer than this annoys."""
OFFERED_MAX = "100"
SHELLS = ("bash", "zsh", "fish")


class _Fish(FishComplete):
    """Whose script does not cut off explanations at the first comma."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@json_option
def completion(shell: str, *, as_json: bool) -> None:
    """Print what completes commands, options, ids and functions in SHELL.

    Put into ~/.bashrc: eval "$(obelisk completion bash)"; likewise for zsh. For fish:
    obelisk completion fish > ~/.config/fish/completions/obelisk.fish
    """
    complete = _Fish if shell == "fish" else get_completion_class(shell)
    assert complete is not None, shell
    root = click.get_current_context().find_root().command
    script = complete(root, {}, "obelisk", "_OBELISK_COMPLETE")
    text = script.source_template % script.source_vars()
    if as_json:
        print_json({"shell": shell, "script": text})
    else:
        click.echo(text)


def complete_id(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Executions whose id begins so, the newest first; none if no server answers soon."""
    query = {"id": incomplete or None, "limit": OFFERED_MAX, "children": "true" if "." in incomplete else None}
    return [
        CompletionItem(item["id"], help=f"{item.get('outcome', item['status'])} {item['function']}")
        for item in _asked(ctx, "list-executions", query)
    ]


def complete_function(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Functions by their full names, or by the short ones if these begin so."""
    items = _asked(ctx, "list-functions", {})
    names = [(name, item["type"]) for item in items for name in _names(item["function"])]
    found = [CompletionItem(name, help=wit) for name, wit in names if name.startswith(incomplete)]
    return found if incomplete else found[::2]


def complete_component(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    items = _asked(ctx, "list-components", {})
    return [CompletionItem(item["name"], help=item["kind"]) for item in items if item["name"].startswith(incomplete)]


def _names(function: str) -> tuple[str, str]:
    """`a:b/c.d` and `d`."""
    return function, function.rpartition(".")[2]


def _asked(ctx: click.Context, operation: str, query: dict[str, str | None]) -> list[Json]:
    try:
        token_file: str | None = ctx.params.get("token_file")
        server = ctx.params.get("server") or DEFAULT_SERVER
        with closing(client_of(server, Path(token_file) if token_file else None, ctx.params.get("ca_file"))) as client:
            return client.call(operation, query=query, seconds=ANSWER_SECONDS_MAX)["items"]
    except Failure:
        return []
