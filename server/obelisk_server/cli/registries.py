"""What the commands that speak to registries have in common."""

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from obelisk_runtime.registry import ComponentUnavailable, InvalidReference, RegistrySettings
from obelisk_runtime.registry.errors import (
    AccessDenied,
    AuthenticationRequired,
    CacheUnusable,
    NotInRegistry,
    RateLimited,
    RegistryFailed,
    RegistryStalled,
    RegistryUnreachable,
)
from obelisk_runtime.registry.oci import OciComponents
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import Command, config_option
from obelisk_server.config import InvalidConfig, load_registry
from obelisk_server.config.edit import NotEditable
from obelisk_server.sources import open_registries

T = TypeVar("T")
_EXITS: tuple[tuple[tuple[type[ComponentUnavailable], ...], Exit], ...] = (
    ((InvalidReference,), Exit.USAGE),
    ((NotInRegistry,), Exit.NOT_FOUND),
    ((AuthenticationRequired, AccessDenied), Exit.DENIED),
    ((RateLimited, RegistryFailed, RegistryStalled, RegistryUnreachable, CacheUnusable), Exit.UNAVAILABLE),
)


@dataclass(frozen=True, slots=True)
class Registries:
    """The `[registry]` section, and the environment."""

    config_file: Path
    settings: RegistrySettings
    environ: Mapping[str, str]

    def use(self, work: Callable[[OciComponents], Awaitable[T]]) -> T:
        """Run it to its end. Raises: Failure."""

        async def run() -> T:
            async with open_registries(self.settings, self.environ) as oci:
                return await work(oci)

        try:
            return asyncio.run(run())
        except ComponentUnavailable as error:
            raise failure_of(error) from error


def registry_command(command: Command) -> Command:
    """Adds `--config`, from which the command gets its `registries`."""

    @config_option("The file whose [registry] section is used, if there is one.")
    @functools.wraps(command)
    def with_registries(*, config_file: Path, **options: Any) -> None:
        environ = os.environ  # noqa: TID251 - the process's environment enters here
        try:
            settings = load_registry(config_file, environ)
            command(registries=Registries(config_file, settings, environ), **options)
        except (InvalidConfig, NotEditable) as error:
            raise Failure(Exit.INVALID_SETUP, str(error)) from error
        except OSError as error:
            if error.filename is None:
                raise  # of the output
            raise Failure(Exit.USAGE, f"{error.filename} cannot be used: {error.strerror}") from error

    return with_registries


def say_offline(reason: str | None) -> None:
    if reason is not None:
        click.echo(f"offline: what was known of the tag was taken ({reason})", err=True)


def failure_of(error: ComponentUnavailable) -> Failure:
    code = next((code for kinds, code in _EXITS if isinstance(error, kinds)), Exit.INVALID_SETUP)
    return Failure(code, str(error))
