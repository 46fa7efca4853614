"""`obelisk config schema`."""

import json

import click

from obelisk_server.cli.output import json_option
from obelisk_server.config import json_schema


@click.command("schema", help="Print the JSON Schema of obelisk.toml, for editors.")
@json_option
def schema(*, as_json: bool) -> None:
    click.echo(json.dumps(json_schema(), indent=None if as_json else 2))
