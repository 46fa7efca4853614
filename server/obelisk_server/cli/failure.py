"""How commands end."""

import json
from enum import IntEnum
from typing import IO, Any

import click


class Exit(IntEnum):
    """The one table of exit codes; `obelisk --help` tells them."""

    OK = 0
    EXECUTION_FAILED = 1
    """A followed execution ended in an err or a failure."""
    USAGE = 2
    """Wrong arguments, or input that the server refused."""
    NOT_FOUND = 3
    CONFLICT = 4
    UNREACHABLE = 5
    UNAVAILABLE = 6
    """The server is there but cannot do it now: try again later."""
    SERVER_FAILED = 7
    INVALID_SETUP = 8
    """obelisk.toml or a component is wrong."""
    CANNOT_SERVE = 9
    """Port in use, database in use, and the like."""
    DENIED = 10
    """A server wants a token, or another one; a registry wants other credentials."""
    OUTPUT_LOST = 11
    """Standard output cannot be written: the disk is full, or the like."""
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    """Nobody reads standard output any more: as of a program that SIGPIPE ended."""


class Failure(click.ClickException):
    """A command that cannot do its work; the message says why and what to do."""

    def __init__(self, code: Exit, message: str, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        context = click.get_current_context(silent=True)
        self._problem = (problem or {"detail": message}) if context and context.params.get("as_json") else None

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click has it as a class attribute
        return self.code

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 - click's interface
        if self._problem is not None:
            click.echo(json.dumps({"error": self._problem, "exit_code": self.code}), err=True)
        else:
            click.echo(f"{click.style('error:', fg='red', bold=True)} {self.message}", err=True)
