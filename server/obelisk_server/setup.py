"""From obelisk.toml to what a service offers: at the start, and again while it runs."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.wiring import ExportedFunction
from obelisk_runtime.service import DeployedComponent, Service
from obelisk_server.config import InvalidConfig, ServerConfig, load_config, tls_of
from obelisk_server.sources import ComponentsUnavailable, Pulling, Read, read_components

_FIXED = {
    "listen": "[server] listen",
    "log": "[server] log",
    "audit": "[server] audit",
    "database": "[storage] url",
    "ca_file": "[http] ca_file",
}
_FIXED_LIMITS = frozenset({"worker_threads", "payload_bytes_max"})


class InvalidSetup(ObeliskError):
    """obelisk.toml, or a component that it names, is wrong. Everything that is wrong is in `problems`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Setup:
    """Where the configuration comes from."""

    config_file: Path
    environ: Mapping[str, str]
    pulling: Pulling

    def load(self) -> ServerConfig:
        """Raises: InvalidSetup."""
        try:
            return load_config(self.config_file, self.environ)
        except InvalidConfig as error:
            raise InvalidSetup([str(problem) for problem in error.problems]) from error

    async def read(self, config: ServerConfig) -> list[Read]:
        """The bytes of all components. Raises: InvalidSetup."""
        try:
            return await read_components(config.components, config.registry, self.environ, self.pulling)
        except ComponentsUnavailable as error:
            raise InvalidSetup(error.problems) from error


class Mountable(Protocol):
    """What else a configuration says: webhooks on top of functions, who gets in."""

    def prepare(self, config: ServerConfig, functions: Mapping[Ffqn, ExportedFunction]) -> Sequence[str]:
        """Everything that is wrong with it; nothing changes before `install`."""
        ...

    def install(self) -> None:
        """Offer what was prepared."""
        ...


async def deploy(
    service: Service, config: ServerConfig, components: Sequence[Read], mounts: Sequence[Mountable]
) -> None:
    """Raises: InvalidSetup, and then nothing has changed."""

    def prepare(functions: Mapping[Ffqn, ExportedFunction]) -> list[str]:
        return [problem for mount in mounts for problem in mount.prepare(config, functions)]

    problems = await service.deploy(components, config.stubs, prepare)
    if problems:
        raise InvalidSetup([str(problem) for problem in problems])
    for mount in mounts:
        mount.install()


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload has done."""

    components: int
    functions: int
    changed: tuple[str, ...]
    """Names of components that are new or have other code or settings, then of those that are gone."""
    restart_needed: tuple[str, ...]
    """Settings that differ from those in force, and are taken at the next start only."""


class Reload:
    """Takes the configuration again while the server runs. One at a time; what runs is not disturbed."""

    def __init__(self, setup: Setup, config: ServerConfig, service: Service, mounts: Sequence[Mountable]) -> None:
        self._mounts = mounts
        self._setup = setup
        self._started = config
        self._service = service
        self._lock = asyncio.Lock()

    async def __call__(self) -> Reloaded:
        """Read and verify everything, then swap. Raises: InvalidSetup, StoreUnavailable: the old stays in force."""
        async with self._lock:
            config = self._setup.load()
            components = await self._setup.read(config)
            before = self._service.components
            await deploy(self._service, config, components, self._mounts)
            started = self._started.limits
            self._service.limit(replace(config.limits, **{name: getattr(started, name) for name in _FIXED_LIMITS}))
            after = self._service.components
            changed = tuple(_changed(before, after))
            return Reloaded(len(after), len(self._service.functions), changed, tuple(self._restart_needed(config)))

    def _restart_needed(self, config: ServerConfig) -> Iterator[str]:
        started = self._started
        yield from (name for field, name in _FIXED.items() if getattr(config, field) != getattr(started, field))
        if _webhook_listener(config) != _webhook_listener(started):
            yield "[webhooks] listen, api_url"
        yield from (f"[{name}.tls]" for name in sorted(tls_of(config).keys() ^ tls_of(started).keys()))
        for name in sorted(_FIXED_LIMITS):
            if getattr(config.limits, name) != getattr(started.limits, name):
                yield f"[limits] {name}"
        if not any(component.fuel is not None for component in started.components):
            yield from (f"fuel of {item.name}" for item in config.components if item.fuel is not None)


def _webhook_listener(config: ServerConfig) -> object:
    return None if config.webhooks is None else (config.webhooks.listen, config.webhooks.api_url)


def _changed(before: Sequence[DeployedComponent], after: Sequence[DeployedComponent]) -> Iterator[str]:
    known = {item.settings.name: (item.digest, item.settings) for item in before}
    now = {item.settings.name: (item.digest, item.settings) for item in after}
    yield from (name for name, version in now.items() if known.get(name) != version)
    yield from (name for name in known if name not in now)
