"""`obelisk execution debug`."""

from collections.abc import Iterator

import click

from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.completion import complete_id
from obelisk_server.cli.failure import Exit
from obelisk_server.cli.output import client_command, compact, print_json
from obelisk_server.cli.versions import REPLAY_SECONDS_MAX, difference_text
from obelisk_server.printable import visible


@click.command("debug")
@click.argument("execution_id", shell_complete=complete_id)
@click.option("--version", type=click.IntRange(min=0), required=True, help="Of the event; `events` lists them.")
@click.option("--component", "digest", metavar="DIGEST", help="Look at another component of the store than its own.")
@client_command
def debug(client: Client, *, execution_id: str, version: int, digest: str | None, as_json: bool) -> None:
    """Show where a workflow stood at one event, by running its history up to there; write nothing.

    Exit code 4 if the component does not repeat the history.
    """
    answer = client.call(
        "debug", execution_id, seconds=REPLAY_SECONDS_MAX, query={"version": str(version), "component": digest}
    )
    if as_json:
        print_json(answer)
    else:
        click.echo(visible("\n".join(_lines(answer))))
        if answer["difference"] is not None:
            click.echo(f"it could not be brought there\n{difference_text(answer['difference'])}")
    if answer["difference"] is not None:
        raise SystemExit(Exit.CONFLICT)


def _lines(answer: Json) -> Iterator[str]:
    event = answer["event"]
    yield f"event {event['version']} of {answer['id']}: {event['event']} at {event['at']}"
    yield f"component  {answer['digest']}"
    yield f"now        {answer['now']}"
    yield from _call(answer)
    for join_set in answer["join_sets"]:
        yield from _join_set(join_set)
    yield from _more("join sets", answer["join_sets_total"] - len(answer["join_sets"]))
    if answer["logs"]:
        yield "logs"
        yield from _more("lines before", answer["logs_total"] - len(answer["logs"]))
        yield from (f"  {line['at']}  {line['level']:5}  {line['message']}" for line in answer["logs"])
    if answer["backtrace"]:
        yield "backtrace"
        yield from (f"  {frame}" for frame in answer["backtrace"])
    if answer["source"]:
        yield "source"
        yield from (f"  {line}" for frame in answer["source"] for line in _source(frame))


def _call(answer: Json) -> Iterator[str]:
    call = answer["call"]
    if call is not None:
        yield f"asked      {call['asked']}"
        yield f"got        {_got(call['answer'])}"
    elif answer["end"] is not None:
        yield f"ended      {answer['end']}"
    elif answer["difference"] is None:
        yield "asked      nothing yet"


def _got(answer: Json) -> str:
    if "response" in answer:
        response = answer["response"]
        outcome = f": {compact(response['outcome'])}" if "outcome" in response else ""
        return f"{response['response']} of {response['id']}{outcome}"
    if "value" in answer:
        return answer["value"]
    return "all of the join set has answered" if "closed" in answer else "nothing yet: it waits"


def _join_set(join_set: Json) -> Iterator[str]:
    yield f"join set {join_set['id']}" + (" (closing)" if join_set["closing"] else "")
    yield from _more("before", join_set["members_total"] - len(join_set["members"]))
    for member in join_set["members"]:
        yield f"  {member['state']:9}  {member['id']}  {member['function'] or 'delay'}"


def _source(frame: Json) -> Iterator[str]:
    for symbol in frame["symbols"] or ({"file": None, "line": None, "column": None},):
        place = ":".join(str(part) for part in (symbol["file"], symbol["line"], symbol["column"]) if part is not None)
        yield f"{frame['function']} at {place or frame['module']}"


def _more(what: str, count: int) -> Iterator[str]:
    if count:
        yield f"  … {count} more {what}"
