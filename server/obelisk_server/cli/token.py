"""`obelisk token new`."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import click

from obelisk_server.access.tokens import TOKEN_BYTES, new_token
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import json_option, print_json
from obelisk_server.config import InvalidConfig, parse_config
from obelisk_server.endpoints import Scope


@click.command(
    "new", help="Make a token. It is printed once; what obelisk.toml needs to know of it, on standard error."
)
@click.option("--name", required=True, help="Who will use it: it is named in event logs and in the audit log.")
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it allows; may be given again. Each includes read, admin includes all.",
)
@click.option(
    "--function", "functions", multiple=True, help='Limit it to functions: a name, or a beginning such as "shop:*".'
)
@click.option("--expires", metavar="DATE", type=click.DateTime(), help="A day, such as 2030-01-01, or a time in UTC.")
@json_option
def new(
    name: str, scopes: tuple[str, ...], functions: tuple[str, ...], expires: datetime | None, *, as_json: bool
) -> None:
    shown, hash_ = new_token(secrets.token_bytes(TOKEN_BYTES))
    lines = ["[[token]]", f'name = "{name}"', f'hash = "{hash_}"', f"scopes = {_array(scopes)}"]
    lines += [f"functions = {_array(functions)}"] if functions else []
    lines += [] if expires is None else [f"expires = {expires.replace(tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ}"]
    toml = "\n".join(lines)
    _check(toml)
    if as_json:
        print_json({"token": shown, "toml": toml})
        return
    click.echo(f"# Add this to obelisk.toml, and then run `obelisk server reload`:\n\n{toml}\n", err=True)
    click.echo("# Clients take the token from OBELISK_TOKEN, or from a file. It is not shown again:", err=True)
    click.echo(shown)


def _array(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"


def _check(toml: str) -> None:
    """Raises: Failure for what a server would refuse."""
    try:
        parse_config(toml, Path("obelisk.toml"), {})
    except InvalidConfig as error:
        raise Failure(Exit.USAGE, "\n".join(problem.message for problem in error.problems)) from error
