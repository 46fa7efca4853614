"""The bytes of the components that a configuration names, from files and from registries."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from obelisk_runtime.core.deployment import ComponentSettings
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.registry import (
    ComponentUnavailable,
    Reference,
    RegistrySettings,
    UnpinnedLocation,
    is_reference,
    read_component,
)

if TYPE_CHECKING:
    from obelisk_runtime.registry.oci import OciComponents

Read = tuple[ComponentSettings, bytes]
OnProgress = Callable[[int, int], None]
"""`(bytes received, bytes in all)`; called from any thread."""
_log = logging.getLogger(__name__)


def _unwatched(_name: str) -> OnProgress:
    return lambda _received, _total: None


@dataclass(frozen=True, slots=True)
class Pulling:
    """How components are pulled."""

    locked: bool = False
    """Refuse locations in registries that have no digest."""
    watch: Callable[[str], OnProgress] = _unwatched
    """Where the progress of a component of this name is shown."""


class ComponentsUnavailable(ObeliskError):
    """Some components cannot be had; all `problems` at once."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def cache_folder(environ: Mapping[str, str]) -> Path:
    """`$XDG_CACHE_HOME/obelisk`, or `~/.cache/obelisk`."""
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "obelisk"


def open_registries(settings: RegistrySettings, environ: Mapping[str, str]) -> "OciComponents":
    """Components in registries, with the cache of this user."""
    # It takes a quarter of a second to import, which a server with local components alone need not wait for.
    from obelisk_runtime.registry.oci import OciComponents  # noqa: PLC0415
    from obelisk_runtime.registry.pace import real_pace  # noqa: PLC0415

    return OciComponents(settings, cache_folder(environ) / "registry", environ, real_pace())


async def read_components(
    components: Sequence[ComponentSettings],
    registry: RegistrySettings,
    environ: Mapping[str, str],
    pulling: Pulling = Pulling(),
) -> list[Read]:
    """Everything verified, or nothing. Locations in registries come back with the digest that was taken.

    Raises: ComponentsUnavailable.
    """
    problems: list[str] = []

    async def read(settings: ComponentSettings) -> Read | None:
        try:
            if is_reference(settings.location):
                return await _pull(settings, oci, pulling)
            return settings, await asyncio.to_thread(read_component, Path(settings.location))
        except ComponentUnavailable as error:
            problems.append(f"{settings.name}: {error}")
            return None

    async with AsyncExitStack() as stack:
        oci: OciComponents | None = None
        if any(is_reference(settings.location) for settings in components):
            oci = await stack.enter_async_context(open_registries(registry, environ))
        found = await asyncio.gather(*map(read, components))
    if problems:
        raise ComponentsUnavailable(problems)
    return [each for each in found if each is not None]


async def _pull(settings: ComponentSettings, oci: "OciComponents | None", pulling: Pulling) -> Read:
    assert oci is not None
    reference = Reference.parse(settings.location)
    if pulling.locked and reference.digest is None:
        raise UnpinnedLocation(settings.location)
    pulled = await oci.pull(reference, pulling.watch(settings.name))
    fields = {"component": settings.name, "location": str(pulled.reference)}
    if pulled.offline is not None:
        _log.warning("offline: a component is taken from the cache", extra={**fields, "reason": pulled.offline})
    elif pulled.from_network:
        _log.info("a component was pulled", extra=fields)
    else:
        _log.info("a component was in the cache", extra=fields)
    return replace(settings, location=str(pulled.reference)), pulled.wasm
