"""Options that say which executions: of lists, and of what is done with many."""

from collections.abc import Mapping
from typing import Any

import click

from obelisk_server.cli.client import Json
from obelisk_server.cli.completion import complete_function, complete_id
from obelisk_server.cli.output import Command

STATUSES = ("pending", "locked", "blocked", "finished", "paused", "cancelling")

_OPTIONS = (
    click.option(
        "--function",
        shell_complete=complete_function,
        help="How the function's full name begins, or an end of it that only one function has.",
    ),
    click.option("--status", multiple=True, help=f"{', '.join(STATUSES[:-1])} or {STATUSES[-1]}."),
    click.option("--result", multiple=True, help="ok, err, or a kind of failure such as timed-out."),
    click.option("--tag", multiple=True, metavar="KEY=VALUE", help="A tag that they have; may be repeated."),
    click.option("--parent", shell_complete=complete_id, help="Only children of this execution."),
    click.option("--id", help="How the id begins."),
    click.option("--digest", help="Workflows that are pinned to this component."),
    click.option("--text", help="In the JSON of parameters or result, or in the reason of a failure."),
    click.option("--created-since", metavar="TIME|DURATION", help="Created then or later; a duration: so long ago."),
    click.option("--created-before", metavar="TIME|DURATION", help="Created earlier than that."),
    click.option("--finished-since", metavar="TIME|DURATION", help="Ended then or later."),
    click.option("--finished-before", metavar="TIME|DURATION", help="Ended earlier than that."),
    click.option("--children", is_flag=True, help="Children too, not only what clients submitted."),
)


def filter_options(command: Command) -> Command:
    """Adds them; the command gets each by its name."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given(options: Mapping[str, Any]) -> Json:
    """Those that say something."""
    return {name: value for name, value in options.items() if value not in (None, (), False, "")}
