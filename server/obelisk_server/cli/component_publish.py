"""`obelisk component push | sign`."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from obelisk_runtime.registry import Reference, find_component, read_component
from obelisk_runtime.registry.artifact import SECTION_ANNOTATION, AllowedHost, ProposedSection
from obelisk_runtime.registry.oci import OciComponents
from obelisk_server import components
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import json_option, print_json
from obelisk_server.cli.progress import Bars
from obelisk_server.cli.registries import Registries, registry_command

_STANDARD = {
    "source": "org.opencontainers.image.source",
    "revision": "org.opencontainers.image.revision",
    "licence": "org.opencontainers.image.licenses",
}


@dataclass(frozen=True, slots=True)
class Push:
    file: str
    location: str
    annotations: dict[str, str]
    section: ProposedSection


@click.command("push")
@click.argument("file")
@click.argument("location")
@click.option("--source", help="Where the source code is, as a URL.")
@click.option("--revision", help="The revision of the source code.")
@click.option("--licence", "--license", help="An SPDX expression.")
@click.option("--annotation", "annotations", multiple=True, metavar="KEY=VALUE", help="Any other; may be repeated.")
@click.option("--kind", type=click.Choice(["activity", "workflow", "webhook"]), help="The section it is meant for.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="[METHOD,METHOD ]PATTERN",
    help="A host that it needs, proposed to operators; may be repeated.",
)
@click.option("--env", multiple=True, metavar="NAME[=VALUE]", help="A variable that it needs; may be repeated.")
@registry_command
@json_option
def push(registries: Registries, *, as_json: bool, file: str, location: str, **options: Any) -> None:
    """Publish the component FILE at LOCATION, oci://host[:port]/repository[:tag]; print it with its digest."""
    section = ProposedSection(
        kind=options["kind"],
        allowed_hosts=[_allowed_host(text) for text in options["allowed_hosts"]],
        env=dict(_variable(text) for text in options["env"]),
    )
    annotations = {key: options[name] for name, key in _STANDARD.items() if options[name]}
    annotations |= dict(_annotation(text) for text in options["annotations"])
    wanted = Push(file, location, annotations, section)
    with Bars(sys.stderr) as bars:
        pushed = registries.use(lambda oci: _push(oci, wanted, registries, bars))
    if as_json:
        print_json({"location": str(pushed), "digest": pushed.digest})
    else:
        click.echo(str(pushed))


async def _push(oci: OciComponents, wanted: Push, registries: Registries, bars: Bars) -> Reference:
    reference = Reference.parse(wanted.location)
    wasm = await asyncio.to_thread(read_component, find_component(wanted.file, Path()))
    made = await components.publication(wasm, registries.environ, wanted.annotations, wanted.section)
    return await oci.push(reference, made, bars.bar(wanted.location))


def _annotation(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key or key == SECTION_ANNOTATION:
        raise Failure(Exit.USAGE, f"the annotation {text!r} is not KEY=VALUE")
    return key, value


def _variable(text: str) -> tuple[str, str]:
    """A variable without a value is to be taken from the environment of the server."""
    name, equals, value = text.partition("=")
    return name, value if equals else f"${{{name}}}"


def _allowed_host(text: str) -> AllowedHost:
    methods, space, pattern = text.rpartition(" ")
    return AllowedHost(pattern=pattern, methods=methods.split(",") if space else [])


@click.command("sign")
@click.argument("location")
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A private ECDSA P-256 key in PEM (`openssl ecparam -name prime256v1 -genkey -noout`).",
)
@registry_command
@json_option
def sign(registries: Registries, *, location: str, key: Path, as_json: bool) -> None:
    """Sign what is at LOCATION now, as cosign does; the signature is stored beside it.

    The password of an encrypted key is taken from OBELISK_KEY_PASSWORD.
    """
    pem = key.read_bytes()
    password = os.environ.get("OBELISK_KEY_PASSWORD")  # noqa: TID251 - the process's environment enters here
    if b"ENCRYPTED" in pem and password is None:
        raise Failure(Exit.USAGE, f"{key} is encrypted; give its password in OBELISK_KEY_PASSWORD")
    secret = password.encode() if password is not None and b"ENCRYPTED" in pem else None
    signed = registries.use(lambda oci: oci.sign(Reference.parse(location), pem, secret))
    if as_json:
        print_json({"location": str(signed), "digest": signed.digest})
    else:
        click.echo(f"signed {signed}")
