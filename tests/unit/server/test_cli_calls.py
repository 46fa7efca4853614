"""The command line asks only for operations that there are, with as many segments as their paths have."""

import ast
from collections.abc import Iterator
from pathlib import Path

import click

from obelisk_server import cli
from obelisk_server.endpoints import ENDPOINTS

FOLDER = Path(cli.__file__).parent


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Where `Client.call` is called, and how."""
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "call":
                yield f"{path.name}:{node.lineno}", node


def test_every_call_names_an_operation_and_fills_its_path() -> None:
    named = [(where, call) for where, call in calls() if isinstance(call.args[0], ast.Constant)]
    assert len(named) > 10
    for where, call in named:
        name = ast.literal_eval(call.args[0])
        assert name in ENDPOINTS, where
        assert len(call.args) - 1 == ENDPOINTS[name].path.count("{"), where


def test_only_what_takes_a_body_is_given_one() -> None:
    for where, call in calls():
        if isinstance(call.args[0], ast.Constant) and any(keyword.arg == "body" for keyword in call.keywords):
            assert ENDPOINTS[ast.literal_eval(call.args[0])].method == "POST", where


WITHOUT_COMMAND = {
    "get-result": "`execution get` and `follow` show it",
    "submit-function": "`execution submit` does the same",
    "stream-execution": "for pages; `follow` and `logs --follow` wait for news",
    "get-caller": "for pages; a command that is refused says which scope it needs",
    "metrics": "for Prometheus",
    "openapi": "for generators of clients",
    "alive": "for what restarts a server",
    "ready": "for what sends requests to a server",
}


def test_every_operation_has_a_command_or_a_reason_to_have_none() -> None:
    texts = {
        node.value
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }
    reached = {name for name in ENDPOINTS if name in texts or name.removeprefix("bulk-") in texts}
    assert sorted(ENDPOINTS.keys() - reached) == sorted(WITHOUT_COMMAND.keys() - texts)
    assert WITHOUT_COMMAND.keys() <= ENDPOINTS.keys()


def commands(command: click.Command, context: click.Context, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path.strip(), command
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield from commands(below, click.Context(below, parent=context), f"{path} {name}")


def test_every_command_has_json() -> None:
    """But for the server itself, which writes log lines."""
    found = list(commands(cli.root, click.Context(cli.root)))
    assert len(found) > 50
    without = [path for path, command in found if not any("--json" in item.opts for item in command.params)]
    assert without == ["server run"]
