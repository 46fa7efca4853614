"""The components that are deployed, compiled and linked, and the functions they offer."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from obelisk_runtime.core import interfaces
from obelisk_runtime.core.deployment import MEBIBYTE, ComponentKind, ComponentSettings, StubSettings
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.events import ExecutionKind
from obelisk_runtime.core.ids import Digest, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.secrets import Redactor
from obelisk_runtime.core.values import function_codec
from obelisk_runtime.core.wiring import ComponentSurface, ExportedFunction, Problem, wire
from obelisk_runtime.ports.engine import (
    CompiledComponent,
    Engine,
    GuestLimits,
    ImportedFunction,
    MissingImport,
    NotAComponent,
    UnsupportedComponent,
)
from obelisk_runtime.ports.store import Catalog
from obelisk_runtime.service.components.deployed import (
    BrokenBytes,
    BrokenComponent,
    BytesMissing,
    DeployedComponent,
    FunctionNotFound,
    Target,
    digest_of,
)
from obelisk_runtime.service.components.library import Bindings, GuestLibrary

EXECUTION_KINDS = {
    ComponentKind.ACTIVITY: ExecutionKind.ACTIVITY,
    ComponentKind.WORKFLOW: ExecutionKind.WORKFLOW,
    ComponentKind.STUB: ExecutionKind.STUB,
    ComponentKind.WEBHOOK: ExecutionKind.WEBHOOK,
}


EPOCH = Instant(0)
CLOSEST_MAX = 3
Source = tuple[ComponentSettings, bytes]
"""A component as it is given: its section of obelisk.toml and its bytes."""


AnyProblem = Problem | BrokenComponent | str
Accept = Callable[[Mapping[Ffqn, ExportedFunction]], Sequence[str]]
"""What else is wrong, given the functions that would be offered."""


def accept_all(_: Mapping[Ffqn, ExportedFunction]) -> Sequence[str]:
    return ()


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
        self.targets: Mapping[Ffqn, Target] = {}
        self._redactor = Redactor({})
        self.since = Instant(0)
        """When what is deployed was installed."""
        self.by_digest: dict[Digest, DeployedComponent] = {}
        self._reading: dict[Digest, asyncio.Lock] = {}
        """Held by whoever reads a component from the store."""
        self._mismatches: dict[tuple[Digest, Ffqn], str | None] = {}
        self._engine = engine
        self._catalog = catalog
        self.library = library
        self._bind_host = bind_host
        self._payload_bytes_max = payload_bytes_max

    async def verify(self, components: Sequence[Source], stubs: Sequence[StubSettings] = ()) -> Sequence[AnyProblem]:
        """Compile, check against one another, and link. Nothing is stored. No problems: it is what `deploy` offers."""
        prepared = await self._prepare(components, stubs)
        return prepared.problems

    async def deploy(
        self,
        components: Sequence[Source],
        stubs: Sequence[StubSettings] = (),
        now: Instant = EPOCH,
        accept: Accept = accept_all,
    ) -> Sequence[AnyProblem]:
        """`verify`, keep the bytes in the store, so that executions outlive the files, and offer it all at once.

        With problems, nothing changes: what was deployed stays so. Raises: StoreUnavailable.
        """
        prepared = await self._prepare(components, stubs)
        problems = (*prepared.problems, *accept(prepared.functions))
        if not problems:
            for component, (_, wasm) in zip(prepared.components, components, strict=True):
                await self._catalog.put_component(component.digest, wasm)
            self._install(prepared, now)
        return problems

    async def _prepare(self, components: Sequence[Source], stubs: Sequence[StubSettings]) -> "_Prepared":
        problems: list[AnyProblem] = []
        compiled: list[tuple[ComponentSettings, bytes, CompiledComponent]] = []
        for settings, wasm in components:
            try:
                compiled.append((settings, wasm, await self._engine.compile(wasm)))
            except (NotAComponent, UnsupportedComponent) as error:
                problems.append(BrokenComponent(settings.name, settings.location, str(error)))
        surfaces = [_surface(settings, component) for settings, _, component in compiled]
        wiring = wire([*surfaces, *map(_stub_surface, stubs)])
        problems += wiring.problems
        linked = [self._link(settings, wasm, component, problems) for settings, wasm, component in compiled]
        return _Prepared([item for item in linked if item is not None], stubs, wiring.functions, problems)

    def _install(self, prepared: "_Prepared", now: Instant) -> None:
        """Everybody who looks sees the old deployment or the new one. What runs keeps the component it began with."""
        self.components = tuple(prepared.components)
        self.functions = prepared.functions
        self.targets = _targets(prepared)
        self.by_digest = {component.digest: component for component in prepared.components}
        self._redactor = Redactor(
            {name: secret for component in prepared.components for name, secret in component.settings.secrets.items()}
        )
        self.since = now
        self._mismatches = {}

    def webhook(self, name: str) -> DeployedComponent | None:
        """The component of the webhook of this name."""
        found = (item for item in self.components if item.settings.name == name)
        return next((item for item in found if item.settings.kind is ComponentKind.WEBHOOK), None)

    def redact(self, text: str) -> str:
        """Without the values of secrets of what is deployed."""
        return self._redactor.redact(text)

    def mismatch(self, caller: DeployedComponent, target: Target) -> str | None:
        """Why the target no longer is what the caller was compiled against; None if it is."""
        key = caller.digest, target.name
        if key not in self._mismatches:
            self._mismatches[key] = _mismatch(caller.compiled.imports, target)
        return self._mismatches[key]

    def target(self, function: Ffqn) -> Target:
        """Raises: FunctionNotFound."""
        target = self.targets.get(function)
        if target is None:
            names = [name.text for name in self.targets]
            raise FunctionNotFound(function, get_close_matches(function.text, names, CLOSEST_MAX))
        return target

    def concurrency_limit(self, function: Ffqn) -> int | None:
        """How many executions of it may run at once in this process; None: as many as there are slots."""
        target = self.targets.get(function)
        return None if target is None or target.code is None else target.code.settings.concurrency_max

    async def pinned(self, digest: Digest, function: Ffqn) -> DeployedComponent:
        """The component a workflow started with, deployed or from the store. Raises: BytesMissing, BrokenBytes."""
        known = self.by_digest.get(digest)
        return known if known is not None else await self._pinned_from_store(digest, function)

    async def _pinned_from_store(self, digest: Digest, function: Ffqn) -> DeployedComponent:
        """Read and linked once, however many workflows wake at the same time after a restart."""
        async with self._reading.setdefault(digest, asyncio.Lock()):
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

    def _link(
        self,
        settings: ComponentSettings,
        wasm: bytes,
        compiled: CompiledComponent,
        problems: list[AnyProblem],
    ) -> DeployedComponent | None:
        try:
            return self._linked(settings, wasm, compiled)
        except (MissingImport, ObeliskError) as error:
            # What is missing elsewhere than in the library has been found by `wire`.
            if not problems or isinstance(error, ObeliskError):
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
            may_use_threads=settings.kind is not ComponentKind.WORKFLOW,
        )
        return DeployedComponent(settings, digest_of(wasm), len(wasm), compiled, linked, limits)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A deployment that could be installed, if there are no problems."""

    components: Sequence[DeployedComponent]
    stubs: Sequence[StubSettings]
    functions: Mapping[Ffqn, ExportedFunction]
    problems: Sequence[AnyProblem]


def _targets(prepared: _Prepared) -> Mapping[Ffqn, Target]:
    targets: dict[Ffqn, Target] = {}
    for component in prepared.components:
        if component.settings.kind is ComponentKind.WEBHOOK:
            continue  # nobody but an HTTP request calls it
        kind = EXECUTION_KINDS[component.settings.kind]
        for name, type_ in component.exports.items():
            targets[name] = Target(name, kind, component, function_codec(name, type_))
    for stub in prepared.stubs:
        codec = function_codec(stub.function, stub.type)
        targets[stub.function] = Target(stub.function, ExecutionKind.STUB, None, codec)
    return targets


def _mismatch(imports: Sequence[ImportedFunction], target: Target) -> str | None:
    deployed = interfaces.derive(target.name, target.codec.type)
    deployed[target.name.interface.text, target.name.function] = target.codec.type
    for item in imports:
        match interfaces.classify(item.interface, item.name):
            case (
                interfaces.DirectCall(function=function)
                | interfaces.Submit(function=function)
                | interfaces.AwaitNext(function=function)
                | interfaces.Get(function=function)
            ) if function == target.name and item.type != deployed.get((item.interface, item.name)):
                return (
                    f"{target.name} is deployed with another signature than its caller was compiled against:\n"
                    f"  compiled against {item.interface}.{item.name}: {item.type}\n"
                    f"  deployed {target.name}: {target.codec.type}"
                )
            case _:
                pass
    return None


def _surface(settings: ComponentSettings, compiled: CompiledComponent) -> ComponentSurface:
    imports = [(item.interface, item.name, item.type) for item in compiled.imports]
    return ComponentSurface(settings.name, settings.kind, compiled.exports, imports)


def _stub_surface(stub: StubSettings) -> ComponentSurface:
    return ComponentSurface(f"[[stub]] {stub.function}", ComponentKind.STUB, {stub.function: stub.type}, ())
