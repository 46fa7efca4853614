"""What the commands about components do: a composition root for work without a server."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from obelisk_runtime.core.types import FunctionType
from obelisk_runtime.core.world_text import Interface, world_text
from obelisk_runtime.engine import Surface, WasmtimeEngine, digest_of
from obelisk_runtime.ports.engine import NotAComponent, UnsupportedComponent
from obelisk_runtime.registry import ComponentUnavailable, Reference, find_component, is_reference, read_component
from obelisk_runtime.registry.artifact import SECTION_ANNOTATION, ConfigComponent, Details, ProposedSection, encode
from obelisk_runtime.registry.oci import OciComponents
from obelisk_runtime.registry.pulling import Described
from obelisk_runtime.registry.pushing import Publication
from obelisk_runtime.registry.wasm_sections import Producers, producers
from obelisk_runtime.system import SystemClock
from obelisk_server.sources import OnProgress, cache_folder

_WORKFLOW = "obelisk:workflow/"
_WEBHOOK = "wasi:http/incoming-handler"
_WASI = "wasi:"


class UnusableComponent(ComponentUnavailable):
    """The bytes are no component, or one that no host here can run."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a component."""

    location: str
    """With the digest of the manifest, if it is in a registry."""
    component: str
    """The digest of the bytes."""
    size: int
    exports: tuple[str, ...]
    imports: tuple[str, ...]
    functions: tuple[str, ...]
    """Exported functions with their types: `interface.name: func(...)`."""
    producers: Producers
    """The toolchain."""
    declared: bool
    """Whether all of this is what the publisher says; the component itself was not looked at."""
    offline: str | None = None
    """As in `Read`."""
    layers: tuple[Mapping[str, Any], ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def wasi(self) -> tuple[str, ...]:
        """The WASI interfaces that it asks for."""
        return tuple(name for name in self.imports if name.startswith(_WASI))


@dataclass(frozen=True, slots=True)
class Read:
    location: str
    """With the digest that was taken, if it is in a registry."""
    wasm: bytes
    offline: str | None = None
    """Why the registry could not be asked, so that what was known of it was taken."""


async def read(location: str, oci: OciComponents, on_progress: OnProgress) -> Read:
    """Raises: ComponentUnavailable."""
    if is_reference(location):
        pulled = await oci.pull(Reference.parse(location), on_progress)
        return Read(str(pulled.reference), pulled.wasm, pulled.offline)
    path = find_component(location, Path())
    return Read(location, await asyncio.to_thread(read_component, path))


async def surface(wasm: bytes, environ: Mapping[str, str]) -> Surface:
    """Raises: UnusableComponent."""
    async with _engine(environ) as engine:
        try:
            return await engine.surface(wasm)
        except (NotAComponent, UnsupportedComponent) as error:
            raise UnusableComponent(str(error)) from error


async def inspect(location: str, oci: OciComponents, environ: Mapping[str, str]) -> Inspection:
    """Of a reference only manifest and config are read. Raises: ComponentUnavailable."""
    if is_reference(location):
        return _told(await oci.describe(Reference.parse(location)))
    wasm = await asyncio.to_thread(read_component, find_component(location, Path()))
    found = await surface(wasm, environ)
    return Inspection(
        location=location,
        component=digest_of(wasm),
        size=len(wasm),
        exports=_names(found.exports),
        imports=_names(found.imports),
        functions=functions_of(found.exports),
        producers=producers(wasm),
        declared=False,
    )


async def wit(location: str, oci: OciComponents, environ: Mapping[str, str], on_progress: OnProgress) -> str:
    """The component's world as WIT text. Raises: ComponentUnavailable."""
    found = await surface((await read(location, oci, on_progress)).wasm, environ)
    return world_text(found.imports, found.exports)


async def publication(
    wasm: bytes, environ: Mapping[str, str], annotations: Mapping[str, str], section: ProposedSection
) -> Publication:
    """What is to be pushed. Raises: UnusableComponent."""
    found = await surface(wasm, environ)
    created = datetime.fromtimestamp(SystemClock().now() // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    exports, imports = _names(found.exports), _names(found.imports)
    return Publication(
        wasm=wasm,
        component=ConfigComponent(exports=list(exports), imports=list(imports)),
        details=Details(
            exports=list(functions_of(found.exports)),
            imports=[line for line in functions_of(found.imports) if not line.startswith(_WASI)],
            producers=producers(wasm),
        ),
        annotations={
            "org.opencontainers.image.created": created,
            **annotations,
            SECTION_ANNOTATION: encode(_with_kind(section, exports, imports)).decode(),
        },
        created=created,
    )


def kind_of(described: Described) -> str:
    """The kind of section for a component: as its author says, else as its imports and exports tell."""
    component = described.config.component or ConfigComponent()
    return described.section.kind or _kind(component.exports, component.imports)


def functions_of(interfaces: tuple[Interface, ...]) -> tuple[str, ...]:
    return tuple(
        f"{interface.name}.{name}: {type_}" for interface in interfaces for name, type_ in _sorted(interface.functions)
    )


def _sorted(functions: Mapping[str, FunctionType]) -> list[tuple[str, FunctionType]]:
    return sorted(functions.items(), key=lambda item: item[0])


def _with_kind(section: ProposedSection, exports: tuple[str, ...], imports: tuple[str, ...]) -> ProposedSection:
    return ProposedSection(
        kind=section.kind or _kind(exports, imports), allowed_hosts=section.allowed_hosts, env=section.env
    )


def _kind(exports: "tuple[str, ...] | list[str]", imports: "tuple[str, ...] | list[str]") -> str:
    if any(name.startswith(_WEBHOOK) for name in exports):
        return "webhook"
    return "workflow" if any(name.startswith(_WORKFLOW) for name in imports) else "activity"


def _names(interfaces: tuple[Interface, ...]) -> tuple[str, ...]:
    return tuple(interface.name for interface in interfaces)


def _told(described: Described) -> Inspection:
    component = described.config.component or ConfigComponent()
    details = described.config.obelisk or Details()
    manifest = described.manifest
    return Inspection(
        location=str(described.reference),
        component=described.layer.digest,
        size=described.layer.size,
        exports=tuple(component.exports),
        imports=tuple(component.imports),
        functions=tuple(details.exports),
        producers=details.producers,
        declared=True,
        offline=described.offline,
        layers=tuple(
            {"media_type": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in manifest.layers
        ),
        annotations=manifest.annotations,
    )


@asynccontextmanager
async def _engine(environ: Mapping[str, str]) -> AsyncGenerator[WasmtimeEngine]:
    engine = WasmtimeEngine(cache_folder(environ) / "compiled")
    try:
        yield engine
    finally:
        await engine.close()
