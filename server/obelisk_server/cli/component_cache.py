"""`obelisk component cache …`."""

from dataclasses import asdict
from datetime import UTC, datetime

import click

from obelisk_runtime.registry.cache import CacheEntry
from obelisk_runtime.system import SystemClock
from obelisk_server.cli.output import json_option, print_json, print_table
from obelisk_server.cli.registries import Registries, registry_command
from obelisk_server.durations import NotADuration, parse_duration


@click.group("cache", help="What was pulled onto this machine; all servers of a user share it.")
def cache() -> None: ...


@cache.command("list", help="List manifests, configs and components, the last used first.")
@registry_command
@json_option
def list_cache(registries: Registries, *, as_json: bool) -> None:
    _print(registries.use(lambda oci: oci.cached()), as_json=as_json)


@cache.command("prune", help="Remove what was not used lately. A server that needs it pulls it again.")
@click.option("--unused", default="720h", show_default=True, help="For how long; 0s removes everything.")
@registry_command
@json_option
def prune(registries: Registries, *, unused: str, as_json: bool) -> None:
    try:
        microseconds = parse_duration(unused)
    except NotADuration as error:
        raise click.BadParameter(str(error), param_hint="--unused") from error
    now = SystemClock().now() / 1_000_000
    removed = registries.use(lambda oci: oci.prune(now - microseconds / 1_000_000, now))
    _print(removed, as_json=as_json)
    if not as_json:
        click.echo(f"removed {len(removed)}, {sum(entry.size for entry in removed)} bytes", err=True)


def _print(entries: list[CacheEntry], *, as_json: bool) -> None:
    if as_json:
        print_json({"items": [{**asdict(entry), "used_at": _time(entry)} for entry in entries]})
    else:
        rows = [(entry.digest, entry.size, _time(entry), " ".join(entry.locations)) for entry in entries]
        print_table(("DIGEST", "BYTES", "USED", "LOCATIONS"), rows)


def _time(entry: CacheEntry) -> str:
    return datetime.fromtimestamp(entry.used_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
