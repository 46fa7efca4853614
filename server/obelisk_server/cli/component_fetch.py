"""`obelisk component inspect | wit | pull | verify`."""

import asyncio
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from obelisk_runtime.registry import ComponentUnavailable, Reference, SignaturePolicy, is_reference
from obelisk_runtime.registry.artifact import digest_of
from obelisk_runtime.registry.oci import OciComponents
from obelisk_server import components
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import json_option, print_fields, print_json
from obelisk_server.cli.progress import Bars
from obelisk_server.cli.registries import Registries, registry_command, say_offline
from obelisk_server.components import Inspection, Read
from obelisk_server.config import read_config
from obelisk_server.config.edit import locations
from obelisk_server.files import replace_file
from obelisk_server.printable import visible


@click.command("inspect")
@click.argument("location")
@registry_command
@json_option
def inspect(registries: Registries, *, location: str, as_json: bool) -> None:
    """Show imports, exports, size, layers and toolchain of a component at LOCATION: a path or oci://…

    Of a component in a registry only the manifest and its config are read.
    """
    found = registries.use(lambda oci: components.inspect(location, oci, registries.environ))
    if as_json:
        print_json({**asdict(found), "wasi": found.wasi})
    else:
        _print(found)


def _print(found: Inspection) -> None:
    print_fields(
        (name, visible(value) if isinstance(value, str) else value)
        for name, value in (
            ("location", found.location),
            ("component", found.component),
            ("bytes", found.size),
            ("wasi", ", ".join(_packages(found.wasi)) or "none"),
        )
    )
    producers = [
        f"{what}: {name} {version}" for what, made in found.producers.items() for name, version in made.items()
    ]
    say_offline(found.offline)
    _print_list("exports", found.functions or found.exports)
    _print_list("imports", found.imports)
    _print_list("toolchain", producers)
    _print_list("layers", [f"{layer['digest']}  {layer['media_type']}  {layer['size']}" for layer in found.layers])
    _print_list("annotations", [f"{name}: {value}" for name, value in found.annotations.items()])
    if found.declared:
        click.echo("as its publisher says; `obelisk component pull` and `inspect` of the file prove it", err=True)


def _packages(interfaces: tuple[str, ...]) -> list[str]:
    """`wasi:io@0.2.9` for any number of its interfaces."""
    parts = [name.partition("@") for name in interfaces]
    return list(dict.fromkeys(name.partition("/")[0] + at + version for name, at, version in parts))


def _print_list(title: str, lines: "tuple[str, ...] | list[str]") -> None:
    if lines:
        click.echo(click.style(title, bold=True))
        for line in lines:
            click.echo(f"  {visible(line)}")


@click.command("wit")
@click.argument("location")
@registry_command
@json_option
def wit(registries: Registries, *, location: str, as_json: bool) -> None:
    """Print the world of the component at LOCATION, a path or oci://…, as WIT."""
    with Bars(sys.stderr) as bars:
        text = registries.use(lambda oci: components.wit(location, oci, registries.environ, bars.bar(location)))
    if as_json:
        print_json({"location": location, "wit": text})
    else:
        click.echo(text, nl=False)


@click.command("pull")
@click.argument("locations", nargs=-1)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the one component into this file.")
@registry_command
@json_option
def pull(registries: Registries, *, locations: tuple[str, ...], output: Path | None, as_json: bool) -> None:
    """Pull components into the cache, verified; those of obelisk.toml if no LOCATIONS are given."""
    wanted = locations or _configured(registries.config_file)
    if output is not None and len(wanted) != 1:
        raise Failure(Exit.USAGE, f"--output takes one component; {len(wanted)} were named")
    with Bars(sys.stderr) as bars:
        pulled = registries.use(lambda oci: _pull_all(oci, wanted, bars))
    if output is not None:
        replace_file(output, pulled[0].wasm)
    for each in pulled:
        say_offline(each.offline)
    if as_json:
        print_json([{"location": each.location, "bytes": len(each.wasm)} for each in pulled])
    else:
        for each in pulled:
            click.echo(each.location)


async def _pull_all(oci: OciComponents, wanted: tuple[str, ...], bars: Bars) -> list[Read]:
    """All of them, or the problems of all that failed."""
    results = await asyncio.gather(
        *(components.read(location, oci, bars.bar(location)) for location in wanted), return_exceptions=True
    )
    problems = [result for result in results if isinstance(result, BaseException)]
    for problem in problems:
        if len(problems) == 1 or not isinstance(problem, ComponentUnavailable):
            raise problem
    if problems:
        raise ComponentUnavailable("\n".join(map(str, problems)))
    return [result for result in results if not isinstance(result, BaseException)]


def _configured(config_file: Path) -> tuple[str, ...]:
    try:
        text = read_config(config_file)
    except FileNotFoundError:
        raise Failure(Exit.USAGE, f"name a location, or a configuration: there is no {config_file}") from None
    return tuple(location for location in locations(text).values() if is_reference(location))


@click.command("verify")
@click.argument("location")
@click.option(
    "--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Require a signature by this PEM key."
)
@registry_command
@json_option
def verify(registries: Registries, *, location: str, key: Path | None, as_json: bool) -> None:
    """Pull the component at LOCATION and check its digests, its signature, and that it can be run."""
    if key is not None:
        policy = SignaturePolicy(("*",), (key.read_bytes(),))
        registries = replace(registries, settings=replace(registries.settings, policy=policy))
    with Bars(sys.stderr) as bars:
        checked = registries.use(lambda oci: _verify(oci, location, registries, bars))
    if as_json:
        print_json(checked)
    else:
        print_fields(checked.items())


async def _verify(oci: OciComponents, location: str, registries: Registries, bars: Bars) -> dict[str, Any]:
    read = await components.read(location, oci, bars.bar(location))
    say_offline(read.offline)
    found = await components.surface(read.wasm, registries.environ)
    required = is_reference(location) and registries.settings.policy.requires(Reference.parse(location))
    return {
        "location": read.location,
        "component": digest_of(read.wasm),
        "signature": "verified" if required else "not required",
        "exports": len(found.exports),
    }
