"""Real registries, one of each kind for the whole run, and components that are pushed to them."""

import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from wasmtime import wat2wasm

import registry_servers as servers
from obelisk_runtime.registry import Reference, RegistryLimits, RegistrySettings
from obelisk_runtime.registry.artifact import ConfigComponent, Details
from obelisk_runtime.registry.oci import OciComponents
from obelisk_runtime.registry.pace import Pace
from obelisk_runtime.registry.pushing import Publication

LIMITS = RegistryLimits(connect_seconds=5, read_seconds=5, backoff_seconds=0.25)
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _installed() -> None:
    if not servers.INSTALLED:
        pytest.skip("needs Debian's docker-registry and apache2-utils")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> servers.Authority:
    return servers.Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def anonymous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.docker_registry(tmp_path_factory.mktemp("anonymous")) as address:
        yield address


@pytest.fixture(scope="session")
def with_password(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("password")
    with servers.docker_registry(folder, servers.htpasswd_auth(folder)) as address:
        yield address


@pytest.fixture(scope="session")
def with_tls(tmp_path_factory: pytest.TempPathFactory, authority: servers.Authority) -> Iterator[str]:
    with servers.docker_registry(tmp_path_factory.mktemp("tls"), servers.tls(authority)) as address:
        yield address


@pytest.fixture(scope="session")
def tokens(authority: servers.Authority) -> Iterator[tuple[servers.TokenServer, str]]:
    """The token server and its address."""
    server = servers.TokenServer(authority)
    with servers.serving(servers.TokenHandler, server) as address:
        yield server, address


@pytest.fixture(scope="session")
def with_tokens(
    tmp_path_factory: pytest.TempPathFactory, authority: servers.Authority, tokens: tuple[servers.TokenServer, str]
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("tokens")
    with servers.docker_registry(folder, servers.token_auth(folder, authority, f"http://{tokens[1]}/token")) as address:
        yield address


@pytest.fixture
def proxy(anonymous: str) -> Iterator[servers.Proxy]:
    with servers.proxy(anonymous) as made:
        yield made


@dataclass
class Registries:
    """What tests do with registries; waits are counted, not waited."""

    folder: Path
    waited: list[float] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)

    def log_in(self, registry: str, user: str = servers.USER, password: str = servers.PASSWORD) -> None:
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.docker_config({"auths": {registry: {"auth": auth}}})

    def docker_config(self, config: dict[str, Any]) -> None:
        folder = self.folder / "docker"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        self.environ["DOCKER_CONFIG"] = str(folder)

    def components(self, cache: str = "cache", **settings: Any) -> OciComponents:
        pace = Pace(sleep=self.waited.append, monotonic=lambda: 0, fraction=lambda: 0.0)
        return OciComponents(
            RegistrySettings(**{"limits": LIMITS, **settings}), self.folder / cache, self.environ, pace
        )

    @property
    def cached(self) -> list[str]:
        """Names of all files of blobs in the cache, finished or not."""
        return sorted(path.name for path in (self.folder / "cache" / "blobs").glob("*"))


@pytest.fixture
def registries(tmp_path: Path) -> Registries:
    return Registries(tmp_path, environ={"HOME": str(tmp_path)})


@pytest_asyncio.fixture
async def oci(registries: Registries) -> AsyncIterator[OciComponents]:
    async with registries.components() as made:
        yield made


@pytest.fixture
def wasm() -> bytes:
    """A component that no other test has."""
    return bytes(wat2wasm(f'(component (core module (data "{next(_numbers)}")))'))


@pytest.fixture
def publication(wasm: bytes) -> Publication:
    return publish(wasm)


def publish(wasm: bytes, **annotations: str) -> Publication:
    return Publication(
        wasm,
        ConfigComponent(exports=["testing:a/b"], imports=["wasi:io/poll@0.2.0"]),
        Details(exports=["testing:a/b.c: func()"]),
        annotations,
        "2026-01-02T03:04:05Z",
    )


@pytest.fixture
def location() -> Callable[[str], Reference]:
    """A repository that no other test has, at a registry."""
    number = next(_numbers)
    return lambda registry: Reference.parse(f"oci://{registry}/tests/c{number}:v1")
