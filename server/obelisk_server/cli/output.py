"""Options that every client command has, and how it shows what it got."""

import functools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from obelisk_server.cli import layout
from obelisk_server.cli.client import DEFAULT_SERVER, Client, Json
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.printable import visible

Command = Callable[..., None]


def client_command(command: Command) -> Command:
    """Adds `--server` and how to be let in there, from which the command gets its `client`, and `--json`."""

    @click.option(
        "--server", envvar="OBELISK_SERVER", default=DEFAULT_SERVER, show_default=True, help="Where the server is."
    )
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="A file with the token to show; else it is taken from the variable OBELISK_TOKEN.",
    )
    @click.option(
        "--ca-file", help="PEM of the authority of the server's certificate; else SSL_CERT_FILE, or the system's."
    )
    @json_option
    @functools.wraps(command)
    def with_client(*, server: str, token_file: Path | None, ca_file: str | None, **options: Any) -> None:
        with closing(client_of(server, token_file, ca_file)) as client:
            command(client=client, **options)

    return with_client


def client_of(server: str, token_file: Path | None, ca_file: str | None) -> Client:
    """Raises: Failure."""
    return Client(server, _token(token_file), ca_file)


def _token(file: Path | None) -> str | None:
    """Raises: Failure, without the token."""
    try:
        found = os.environ.get("OBELISK_TOKEN") if file is None else file.read_text(encoding="ascii")  # noqa: TID251
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not plain text"
        raise Failure(Exit.USAGE, f"the token file {file} cannot be read: {reason}") from None
    token = (found or "").strip()
    where = "OBELISK_TOKEN" if file is None else str(file)
    if not token.isprintable() or not token.isascii() or " " in token:
        raise Failure(Exit.USAGE, f"what is in {where} is no token: it has spaces or other characters")
    if file is not None and not token:
        raise Failure(Exit.USAGE, f"the token file {file} is empty")
    return token or None


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def config_option(explanation: str) -> Callable[[Command], Command]:
    """Adds `--config`, which the command gets as `config_file`."""
    return click.option(
        "-c",
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        default=Path("obelisk.toml"),
        show_default=True,
        help=explanation,
    )


def print_one(answer: Json, field: str, *, as_json: bool) -> None:
    """All of it as JSON, or this field alone."""
    if as_json:
        print_json(answer)
    else:
        click.echo(answer[field])


def print_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


def terminal_width() -> int | None:
    """Of the terminal that standard output is; None: it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Fitted to a terminal; in a pipe plain aligned lines of which nothing is cut."""
    print_lines(layout.table(titles, rows, terminal_width()))


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One `name  value` a line."""
    shown = [(name, value) for name, value in fields if value not in (None, {}, [], "")]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        click.echo(f"{name.ljust(width)}  {visible(text)}")


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
