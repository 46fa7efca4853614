"""Showing an execution while it runs: progress on standard error, log lines of its guest between."""

import sys
import time

import click

from obelisk_server.cli.client import Client, Json
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.printable import visible

TICK_SECONDS = 0.1
"""How often a terminal's live line is drawn at most."""
PLAIN_SECONDS = 2.0
"""How often a line is printed in a pipe."""
GONE_SECONDS_MAX = 60
"""How long a server that does not answer is waited for."""
WAIT = "0.5s"
PAGE = "1000"


class Follow:
    """One followed execution."""

    def __init__(self, client: Client, execution_id: str) -> None:
        self._client = client
        self._id = execution_id
        self._live = sys.stderr.isatty()
        self._started = time.monotonic()  # noqa: TID251 - for a person who watches, nothing is decided by it
        self._shown_at = -PLAIN_SECONDS
        self._finished_children = 0
        self._responses_cursor = 0
        self._logs_cursor = 0

    def run(self) -> Json:
        """Show progress until the execution has finished; the execution at its end.

        A server that goes away may come back, and the execution with it. Raises: Failure.
        """
        gone_since: float | None = None
        while True:
            try:
                ended = self._look()
                gone_since = None
            except Failure as failure:
                gone_since = self._gone(failure, gone_since)
                ended = None
            if ended is not None:
                return ended
            time.sleep(TICK_SECONDS)

    def _gone(self, failure: Failure, since: float | None) -> float:
        """Since when the server does not answer. Raises: the failure, if it is another one or this is too long."""
        now = time.monotonic()  # noqa: TID251 - see above
        if failure.code is not Exit.UNREACHABLE or (since is not None and now - since > GONE_SECONDS_MAX):
            raise failure
        if since is None:
            self._clear()
            click.echo(f"the server does not answer; waiting for it {GONE_SECONDS_MAX} s", err=True)
        return now if since is None else since

    def _look(self) -> Json | None:
        """Show what is new; the execution if it has ended and all of it was shown."""
        complete = self._take_responses()
        execution = self._client.call("get-execution", self._id)
        self._print_logs()
        ended = complete and execution["status"] == "finished"
        self._show(execution, last=ended)
        return execution if ended else None

    def _take_responses(self) -> bool:
        """Count what children answered; waits for news. Whether there can be no more."""
        query = {"cursor": str(self._responses_cursor), "limit": PAGE, "wait": WAIT}
        page = self._client.call("list-responses", self._id, query=query)
        self._responses_cursor = page["next_cursor"]
        self._finished_children += sum(item["response"] == "child-finished" for item in page["items"])
        return page["complete"]

    def _print_logs(self) -> None:
        while True:
            page = self._client.call("list-logs", self._id, query={"cursor": str(self._logs_cursor), "limit": PAGE})
            for item in page["items"]:
                self._clear()
                click.echo(f"{item['at']} {item['level']:5} {visible(item['message'])}", err=True)
            self._logs_cursor = page["next_cursor"]
            if len(page["items"]) < int(PAGE):
                return

    def _show(self, execution: Json, *, last: bool) -> None:
        elapsed = time.monotonic() - self._started  # noqa: TID251 - see above
        if not self._live and not last and elapsed - self._shown_at < PLAIN_SECONDS:
            return
        self._shown_at = elapsed
        self._clear()
        line = f"{elapsed:7.1f} s  {state_text(execution)}{children_text(self._finished_children)}"
        click.echo(line, err=True, nl=last or not self._live)

    def _clear(self) -> None:
        if self._live:
            click.echo("\r\x1b[K", err=True, nl=False)


def children_text(finished: int) -> str:
    """Nothing of what has none, such as an activity."""
    return "" if finished == 0 else ", 1 child done" if finished == 1 else f", {finished} children done"


def state_text(execution: Json) -> str:
    """`blocked on g:1 (3 more)`, `finished: ok`."""
    lifecycle = "" if execution["lifecycle"] == "active" else f"{execution['lifecycle']}, "
    match execution["status"]:
        case "blocked":
            where = execution["join_set"] or "its children, to end"
            return f"{lifecycle}blocked on {where} ({execution['remaining']} more)"
        case "pending":
            return f"{lifecycle}pending, due {execution['due']}"
        case "finished":
            return f"finished: {execution['outcome']}"
        case status:
            return f"{lifecycle}{'running' if status == 'locked' else status}"
