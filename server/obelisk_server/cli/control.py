"""Commands that steer executions and delays."""

import json

import click

from obelisk_server.cli.client import Client
from obelisk_server.cli.completion import complete_id
from obelisk_server.cli.output import client_command, print_fields, print_json, print_one
from obelisk_server.cli.params import result_text


def _steer(verb: str, explanation: str) -> click.Command:
    """The command `obelisk execution <verb> ID`: says what it did."""

    @click.command(verb, help=explanation)
    @click.argument("target_id", shell_complete=complete_id)
    @click.option("--reason", help="Why, for the event log.")
    @client_command
    def command(client: Client, *, target_id: str, reason: str | None, as_json: bool) -> None:
        body = json.dumps({"reason": reason} if reason else {})
        print_one(client.call(verb, target_id, body=body), "outcome", as_json=as_json)

    return command


@click.command("stub")
@click.argument("execution_id", shell_complete=complete_id)
@click.argument("result")
@client_command
def stub(client: Client, *, execution_id: str, result: str, as_json: bool) -> None:
    """Supply the RESULT of a stub execution: {"ok": VALUE} or {"err": VALUE}, - for standard input, or @FILE."""
    body = f'{{"result": {result_text(result)}}}'
    print_one(client.call("stub", execution_id, body=body), "outcome", as_json=as_json)


@click.command("why")
@click.argument("execution_id", shell_complete=complete_id)
@client_command
def why(client: Client, *, execution_id: str, as_json: bool) -> None:
    """Say why an execution does not run now."""
    found = client.call("why", execution_id)
    if as_json:
        print_json(found)
    else:
        print_fields(found.items())


cancel = _steer("cancel", "Cancel an activity, a delay, or a workflow whose name ends in -cancellable.")
terminate = _steer("terminate", "End an execution, also a workflow that is not cancellable.")
pause = _steer("pause", "Let nothing take up an execution or a delay until it is resumed.")
resume = _steer("resume", "Go on with an execution or a delay that is paused.")
