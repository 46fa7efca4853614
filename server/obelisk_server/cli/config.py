"""`obelisk config …`."""

import json

import click

from obelisk_server.config import json_schema


@click.group(help="About obelisk.toml.")
def config() -> None: ...


@config.command("schema", help="Print the JSON Schema of obelisk.toml, for editors.")
def schema() -> None:
    click.echo(json.dumps(json_schema(), indent=2))
