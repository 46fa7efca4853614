"""The command `obelisk`. Each group of subcommands is imported when it is used: `--help` stays fast."""

import errno
import importlib
import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from obelisk_server.cli.failure import Exit


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command that is imported when it is called."""

    module: str
    attribute: str
    help: str


class LazyGroup(click.Group):
    def __init__(self, *, lazy: Mapping[str, Lazy], **options: Any) -> None:
        super().__init__(**options)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        lazy = self._lazy.get(cmd_name)
        return None if lazy is None else getattr(importlib.import_module(lazy.module), lazy.attribute)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Without importing what is only named."""
        items = [
            CompletionItem(name, help=lazy.help) for name, lazy in self._lazy.items() if name.startswith(incomplete)
        ]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self._lazy.items()])


_GROUPS = "obelisk_server.cli.groups"

COMMANDS = {
    "new": Lazy("obelisk_server.cli.new", "new", "Write a folder to begin with: a workflow and an activity"),
    "server": Lazy(_GROUPS, "server", "Run the server, check what it would run, or ask how it is"),
    "execution": Lazy(_GROUPS, "execution", "Submit, follow, look at and cancel executions"),
    "function": Lazy(_GROUPS, "function", "Functions that can be called"),
    "component": Lazy(_GROUPS, "component", "Components: list, inspect, publish, pull, lock"),
    "db": Lazy(_GROUPS, "db", "Delete old executions, back up, check and migrate the store"),
    "token": Lazy(_GROUPS, "token", "Tokens that clients show to a server"),
    "completion": Lazy("obelisk_server.cli.completion", "completion", "Print what completes commands in a shell"),
    "config": Lazy(_GROUPS, "config", "About obelisk.toml"),
}


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it so
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415 - not for every command

        click.echo(f"obelisk {version('obelisk-wasm')}")
        ctx.exit()


class _Root(LazyGroup):
    def invoke(self, ctx: click.Context) -> Any:
        """Raises: SystemExit if the output cannot be written."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.filename is not None or error.errno not in {errno.EPIPE, errno.ENOSPC, errno.EIO}:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered is lost too
            if error.errno == errno.EPIPE:
                ctx.exit(Exit.PIPE_CLOSED)
            click.echo(f"error: the output cannot be written: {error.strerror}", err=True)
            ctx.exit(Exit.OUTPUT_LOST)


root = _Root(
    name="obelisk",
    lazy=COMMANDS,
    help="Durable workflows of WebAssembly components.",
    epilog="Exit codes: 0 done; 1 the execution ended in an err or a failure; 2 wrong usage or refused input; "
    "3 not found; 4 conflict; 5 no server answers; 6 the server cannot do it now; 7 the server failed; "
    "8 obelisk.toml or a component is wrong; 9 the server cannot start; 10 a server or registry denies access; "
    "11 the output cannot be written; 130 interrupted; 141 nobody reads the output any more.",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version.",
        )
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may not have the characters of what guests wrote
    try:
        colour = False if os.environ.get("NO_COLOR") else None  # noqa: TID251 - https://no-color.org
        code = root.main(prog_name="obelisk", standalone_mode=False, color=colour)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        code = Exit.INTERRUPTED
    sys.exit(code)
