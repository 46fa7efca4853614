"""The components that are deployed, compiled and linked, and the functions they offer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from obelisk_runtime.core.deployment import MEBIBYTE, ComponentKind, ComponentSettings, StubSettings
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.events import ExecutionKind
from obelisk_runtime.core.ids import Digest
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType
from obelisk_runtime.core.values import FunctionCodec, InvalidValue, function_codec
from obelisk_runtime.core.wiring import ComponentSurface, ExportedFunction, Problem, wire
from obelisk_runtime.ports.engine import (
    CompiledComponent,
    Engine,
    GuestLimits,
    HostFunction,
    LinkedComponent,
    MissingImport,
    NotAComponent,
    ResourceDestructor,
    UnsupportedComponent,
)
from obelisk_runtime.ports.guest import GuestWorld
from obelisk_runtime.ports.store import Catalog

Bindings = tuple[Mapping[tuple[str, str], HostFunction], Mapping[tuple[str, str], ResourceDestructor]]

EXECUTION_KINDS = {
    ComponentKind.ACTIVITY: ExecutionKind.ACTIVITY,
    ComponentKind.WORKFLOW: ExecutionKind.WORKFLOW,
    ComponentKind.STUB: ExecutionKind.STUB,
}


class GuestLibrary(Protocol):
    """Host functions that do not depend on executions: WASI."""

    def bind(self, component: CompiledComponent) -> Bindings:
        """What the component imports of it. Raises: ObeliskError naming an interface that is not known."""
        ...

    def state(self, world: GuestWorld) -> Any:
        """What one guest call keeps between host calls; the library finds it as `context.wasi`."""
        ...


class BytesMissing(ObeliskError):
    """An execution is pinned to a component whose bytes the store does not have."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(f"the store has no component {digest}")


class BrokenBytes(ObeliskError):
    """This host can no longer run a component that an execution is pinned to."""

    def __init__(self, digest: Digest, reason: str) -> None:
        super().__init__(f"the component {digest} cannot be run here: {reason}")


@dataclass(frozen=True, slots=True)
class BrokenComponent:
    """A component that cannot be loaded at all."""

    component: str
    location: str
    reason: str

    def __str__(self) -> str:
        return f"{self.component} ({self.location}): {self.reason}"


@dataclass(frozen=True, slots=True)
class DeployedComponent:
    settings: ComponentSettings
    digest: Digest
    size: int
    compiled: CompiledComponent
    linked: LinkedComponent
    limits: GuestLimits

    @property
    def exports(self) -> Mapping[Ffqn, FunctionType]:
        return self.compiled.exports


@dataclass(frozen=True, slots=True)
class Target:
    """A function that can be an execution."""

    name: Ffqn
    kind: ExecutionKind
    code: DeployedComponent | None
    """None for a stub."""
    codec: FunctionCodec

    @property
    def component(self) -> DeployedComponent:
        """Only of a function that has code."""
        assert self.code is not None
        return self.code

    def misfit(self, params: str) -> str | None:
        """Why the function does not take parameters that were checked against another deployment's; None if it does."""
        try:
            self.codec.check_params(params)
        except InvalidValue as error:
            return f"the function is deployed with another signature now: {error}"
        return None


class Deployment:
    """What this process offers to run. Empty until `deploy`."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        library: GuestLibrary,
        bind_host: "Callable[[CompiledComponent, ComponentKind], Bindings]",
        payload_bytes_max: int,
    ) -> None:
        self.components: tuple[DeployedComponent, ...] = ()
        self.functions: Mapping[Ffqn, ExportedFunction] = {}
        self.targets: dict[Ffqn, Target] = {}
        self._engine = engine
        self._catalog = catalog
        self.library = library
        self._bind_host = bind_host
        self._payload_bytes_max = payload_bytes_max
        self.by_digest: dict[Digest, DeployedComponent] = {}

    async def verify(
        self, components: Sequence[tuple[ComponentSettings, bytes]], stubs: Sequence[StubSettings] = ()
    ) -> Sequence[Problem | BrokenComponent]:
        """Compile, check against one another, and link. Nothing is stored. No problems: it is what `deploy` offers."""
        problems: list[Problem | BrokenComponent] = []
        compiled: list[tuple[ComponentSettings, bytes, CompiledComponent]] = []
        for settings, wasm in components:
            try:
                compiled.append((settings, wasm, await self._engine.compile(wasm)))
            except (NotAComponent, UnsupportedComponent) as error:
                problems.append(BrokenComponent(settings.name, settings.location, str(error)))
        surfaces = [_surface(settings, component) for settings, _, component in compiled]
        wiring = wire([*surfaces, *map(_stub_surface, stubs)])
        problems += wiring.problems
        deployed = [self._link(settings, wasm, component, problems) for settings, wasm, component in compiled]
        if not problems:
            self.components = tuple(component for component in deployed if component is not None)
            self.functions = wiring.functions
            self._offer(stubs)
        return problems

    async def deploy(
        self, components: Sequence[tuple[ComponentSettings, bytes]], stubs: Sequence[StubSettings] = ()
    ) -> Sequence[Problem | BrokenComponent]:
        """`verify`, then keep the bytes in the store, so that executions outlive the files."""
        problems = await self.verify(components, stubs)
        if not problems:
            for component, (_, wasm) in zip(self.components, components, strict=True):
                await self._catalog.put_component(component.digest, wasm)
        return problems

    async def pinned(self, digest: Digest, function: Ffqn) -> DeployedComponent:
        """The component a workflow started with, deployed or from the store. Raises: BytesMissing, BrokenBytes."""
        known = self.by_digest.get(digest)
        if known is None:
            wasm = await self._catalog.get_component(digest)
            if wasm is None:
                raise BytesMissing(digest)
            known = self.by_digest[digest] = await self.load(wasm, function)
        return known

    async def load(self, wasm: bytes, function: Ffqn) -> DeployedComponent:
        """A component to run this workflow function, with the settings it is deployed with. Raises: BrokenBytes."""
        target = self.targets.get(function)
        if target is None or target.code is None or target.kind is not ExecutionKind.WORKFLOW:
            settings = ComponentSettings(function.text, ComponentKind.WORKFLOW, digest_of(wasm))
        else:
            settings = target.code.settings
        try:
            return self._linked(settings, wasm, await self._engine.compile(wasm))
        except (NotAComponent, UnsupportedComponent, MissingImport, ObeliskError) as error:
            raise BrokenBytes(digest_of(wasm), str(error)) from error

    def _offer(self, stubs: Sequence[StubSettings]) -> None:
        self.targets.clear()
        for component in self.components:
            self.by_digest[component.digest] = component
            kind = EXECUTION_KINDS[component.settings.kind]
            for name, type_ in component.exports.items():
                self.targets[name] = Target(name, kind, component, function_codec(name, type_))
        for stub in stubs:
            codec = function_codec(stub.function, stub.type)
            self.targets[stub.function] = Target(stub.function, ExecutionKind.STUB, None, codec)

    def _link(
        self,
        settings: ComponentSettings,
        wasm: bytes,
        compiled: CompiledComponent,
        problems: list[Problem | BrokenComponent],
    ) -> DeployedComponent | None:
        try:
            return self._linked(settings, wasm, compiled)
        except (MissingImport, ObeliskError) as error:
            if not problems:
                problems.append(BrokenComponent(settings.name, settings.location, str(error)))
            return None

    def _linked(self, settings: ComponentSettings, wasm: bytes, compiled: CompiledComponent) -> DeployedComponent:
        functions, destructors = self.library.bind(compiled)
        host_functions, host_destructors = self._bind_host(compiled, settings.kind)
        linked = compiled.link({**functions, **host_functions}, {**destructors, **host_destructors})
        limits = GuestLimits(
            memory_bytes=settings.memory_mib * MEBIBYTE,
            fuel=settings.fuel,
            payload_bytes=self._payload_bytes_max,
            may_use_threads=settings.kind is ComponentKind.ACTIVITY,
        )
        return DeployedComponent(settings, digest_of(wasm), len(wasm), compiled, linked, limits)


def digest_of(wasm: bytes) -> Digest:
    return Digest("sha256:" + sha256(wasm).hexdigest())


def _surface(settings: ComponentSettings, compiled: CompiledComponent) -> ComponentSurface:
    imports = [(item.interface, item.name, item.type) for item in compiled.imports]
    return ComponentSurface(settings.name, settings.kind, compiled.exports, imports)


def _stub_surface(stub: StubSettings) -> ComponentSurface:
    return ComponentSurface(f"[[stub]] {stub.function}", ComponentKind.STUB, {stub.function: stub.type}, ())
