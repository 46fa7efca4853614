"""`obelisk component add | lock`: changes of obelisk.toml."""

import asyncio

import click
import msgspec

from obelisk_runtime.registry import Reference, is_reference
from obelisk_runtime.registry.oci import OciComponents
from obelisk_runtime.registry.pulling import Described
from obelisk_server import components
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import json_option, print_json
from obelisk_server.cli.registries import Registries, registry_command, say_offline
from obelisk_server.config import InvalidConfig, parse_config, read_config
from obelisk_server.config.edit import NewSection, locations, with_locations, with_section
from obelisk_server.files import replace_file
from obelisk_server.printable import visible

_KINDS = ("activity", "workflow", "webhook")


@click.command("add")
@click.argument("location")
@click.option("--name", required=True, help="The name of the component in obelisk.toml.")
@click.option("--kind", type=click.Choice(_KINDS), help="The kind of section, if its author does not say.")
@registry_command
@json_option
def add(registries: Registries, *, location: str, name: str, kind: str | None, as_json: bool) -> None:
    """Write a section for the component at LOCATION, pinned to its digest, into obelisk.toml.

    What its author asks for, hosts and environment, is written down for review.
    """
    described = registries.use(lambda oci: oci.describe(Reference.parse(location)))
    say_offline(described.offline)
    before = _text(registries, "")
    section = NewSection(
        kind=kind or _known(components.kind_of(described)),
        name=name,
        location=str(described.reference),
        allowed_hosts=tuple(msgspec.to_builtins(host) for host in described.section.allowed_hosts),
        env=described.section.env,
    )
    after = with_section(before, section)
    replace_file(registries.config_file, after.encode())
    if as_json:
        print_json({"kind": section.kind, "name": name, "location": section.location})
    else:
        click.echo(visible(after[len(before.rstrip()) :].strip()))
    _say_what_to_review(described)
    _say_what_is_wrong(registries, after)


def _known(kind: str) -> str:
    if kind not in _KINDS:
        raise Failure(Exit.INVALID_SETUP, f"its author proposes a section [[{kind}]], which there is not; use --kind")
    return kind


def _say_what_to_review(described: Described) -> None:
    asked = [f"hosts {host.pattern}" for host in described.section.allowed_hosts]
    asked += [f"variable {name}" for name in described.section.env]
    if asked:
        click.echo(f"review what the component asks for: {visible(', '.join(asked))}", err=True)


def _say_what_is_wrong(registries: Registries, text: str) -> None:
    """A new section may need a variable to be set, or a host to be confirmed: that is the operator's to do."""
    try:
        parse_config(text, registries.config_file, registries.environ)
    except InvalidConfig as error:
        click.echo(f"to be done before the server runs it:\n{error}", err=True)


def _text(registries: Registries, default: str | None) -> str:
    try:
        return read_config(registries.config_file)
    except FileNotFoundError:
        if default is None:
            raise Failure(Exit.INVALID_SETUP, f"there is no {registries.config_file}; name one with --config") from None
        return default


@click.command("lock")
@click.option("--update", is_flag=True, help="Look up tags that have a digest already, too.")
@click.option("--check", is_flag=True, help="Write nothing; fail if something would change.")
@registry_command
@json_option
def lock(registries: Registries, *, update: bool, check: bool, as_json: bool) -> None:
    """Write the digest that each tag has now into obelisk.toml; comments and order stay."""
    text = _text(registries, None)
    written = {location for location in locations(text).values() if is_reference(location)}
    changed = registries.use(lambda oci: _resolve(oci, sorted(written), update=update))
    if as_json:
        print_json(changed)
    else:
        for before, after in changed.items():
            click.echo(f"{before} -> {after}")
        if not changed:
            click.echo("every location has its digest")
    if changed and check:
        raise Failure(Exit.INVALID_SETUP, f"{len(changed)} locations would change")
    if changed:
        replace_file(registries.config_file, with_locations(text, changed).encode())


async def _resolve(oci: OciComponents, written: list[str], *, update: bool) -> dict[str, str]:
    """Those that change -> what they become."""
    references = [Reference.parse(location) for location in written]
    open_ones = [each for each in references if each.digest is None or (update and each.tag is not None)]
    found = await asyncio.gather(*(oci.resolve(each.at(each.tag) if each.tag else each) for each in open_ones))
    return {str(each): str(now) for each, now in zip(open_ones, found, strict=True) if str(each) != str(now)}
