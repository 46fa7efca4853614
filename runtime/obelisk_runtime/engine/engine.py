"""Compiling components, and what all of their calls share."""

import asyncio
import hashlib
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from wasmtime import WasmtimeError
from wasmtime import component as wc

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType
from obelisk_runtime.core.world_text import world_text
from obelisk_runtime.engine import native
from obelisk_runtime.engine.artifacts import ArtifactCache, artifact_key
from obelisk_runtime.engine.codec import Codecs
from obelisk_runtime.engine.fibers import Fibers
from obelisk_runtime.engine.introspect import Interfaces, Surface, inspect, surface
from obelisk_runtime.engine.linking import ExportedFunction, LinkedGuest
from obelisk_runtime.engine.settings import EngineSettings, build_engine, compile_fingerprint
from obelisk_runtime.ports.engine import (
    HostFunction,
    ImportedFunction,
    ImportedResource,
    NotAComponent,
    ResourceDestructor,
)

_COMPILE_THREADS = 2
_COMPONENT_HEADER = b"\0asm\x0d\0\1\0"


class WasmtimeEngine:
    """An `Engine` of `ports.engine`, for one event loop.

    `cache_folder`: where compiled components are kept, created if it is missing; None compiles every time.
    """

    def __init__(self, cache_folder: Path | None = None, settings: EngineSettings = EngineSettings()) -> None:  # noqa: B008 - frozen
        self._settings = settings
        self._engine = build_engine(settings)
        address = native.pointer_of(self._engine)
        self._cache = None if cache_folder is None else ArtifactCache(cache_folder)
        self._fibers = Fibers(
            address, lambda: native.engine_increment_epoch(address), settings.worker_threads, fuel=settings.fuel
        )
        self._compilers = ThreadPoolExecutor(_COMPILE_THREADS, thread_name_prefix="compile")
        self._compiling: dict[Digest, asyncio.Task[CompiledGuest]] = {}

    async def compile(self, wasm: bytes) -> "CompiledGuest":
        if not wasm.startswith(_COMPONENT_HEADER):
            raise NotAComponent(_what_it_is(wasm))
        loop = asyncio.get_running_loop()
        digest = await loop.run_in_executor(self._compilers, digest_of, wasm)
        task = self._compiling.get(digest)
        if task is None:
            task = self._compiling[digest] = loop.create_task(self._compile(digest, wasm))
            task.add_done_callback(lambda _: self._compiling.pop(digest))
        return await asyncio.shield(task)

    async def surface(self, wasm: bytes) -> Surface:
        """Interfaces with the names of their types, for people. Raises: NotAComponent, UnsupportedComponent."""
        await self.compile(wasm)  # what is no component is refused, and the artifact is then in the cache
        digest = digest_of(wasm)
        work = lambda: surface(self._engine, self._load(digest, wasm))  # noqa: E731 - for a thread
        return await asyncio.get_running_loop().run_in_executor(self._compilers, work)

    async def close(self) -> None:
        """As in the port. A compilation that runs is given up; its thread ends with it."""
        for task in self._compiling.values():
            task.cancel()
        self._compilers.shutdown(wait=False, cancel_futures=True)
        await self._fibers.close()

    @property
    def guests(self) -> int:
        """Calls that hold an instance now."""
        return len(self._fibers.by_context)

    async def _compile(self, digest: Digest, wasm: bytes) -> "CompiledGuest":
        def work() -> CompiledGuest:
            component = self._load(digest, wasm)
            interfaces = inspect(self._engine, component)
            return CompiledGuest(self._fibers, component, digest, interfaces, lambda: surface(self._engine, component))

        return await asyncio.get_running_loop().run_in_executor(self._compilers, work)

    def _load(self, digest: Digest, wasm: bytes) -> wc.Component:
        if self._cache is None:
            return self._translate(wasm)
        key = artifact_key(digest, version("wasmtime"), compile_fingerprint(self._settings))
        artifact = self._cache.load(key)
        if artifact is not None:
            try:
                return wc.Component.deserialize(self._engine, artifact)
            except WasmtimeError:
                pass  # made by another build of wasmtime, or on another processor
        component = self._translate(wasm)
        self._cache.store(key, bytes(component.serialize()))
        return component

    def _translate(self, wasm: bytes) -> wc.Component:
        try:
            return wc.Component(self._engine, wasm)
        except WasmtimeError as error:
            reason = ": ".join(line.strip() for line in str(error).splitlines() if line.strip())
            raise NotAComponent(f"the bytes are not a valid component: {reason}") from error


class CompiledGuest:
    """A CompiledComponent."""

    def __init__(
        self,
        fibers: Fibers,
        component: wc.Component,
        digest: Digest,
        interfaces: Interfaces,
        surface: Callable[[], Surface],
    ) -> None:
        self._fibers, self._component, self._digest, self._interfaces = fibers, component, digest, interfaces
        self._surface = surface
        self._wit = ""
        self._codecs = Codecs({f"{item.interface}.{item.name}": at for at, item in enumerate(interfaces.resources)})
        self._exports = {
            name: ExportedFunction(self._export_index(name), self._codecs.function(type_))
            for name, type_ in interfaces.exports.items()
        }

    @property
    def digest(self) -> Digest:
        return self._digest

    @property
    def exports(self) -> Mapping[Ffqn, FunctionType]:
        return self._interfaces.exports

    @property
    def imports(self) -> tuple[ImportedFunction, ...]:
        return self._interfaces.imports

    @property
    def resources(self) -> tuple[ImportedResource, ...]:
        return self._interfaces.resources

    @property
    def wit(self) -> str:
        if not self._wit:
            found = self._surface()
            self._wit = world_text(found.imports, found.exports)
        return self._wit

    def link(
        self,
        functions: Mapping[tuple[str, str], HostFunction],
        destructors: Mapping[tuple[str, str], ResourceDestructor],
    ) -> LinkedGuest:
        linked = LinkedGuest(self._fibers, native.pointer_of(self._component), self, self._exports)
        linked.bind(self._interfaces, self._codecs, functions, destructors)
        return linked

    def _export_index(self, name: Ffqn) -> native.Address:
        component = native.pointer_of(self._component)
        interface, function = name.interface.text.encode(), name.function.encode()
        instance = native.component_export_index(component, 0, interface, len(interface))
        index = native.component_export_index(component, instance, function, len(function))
        native.component_export_index_delete(instance)
        weakref.finalize(self, native.component_export_index_delete, index)
        return index


def digest_of(wasm: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(wasm).hexdigest()}")


_KNOWN_FORMATS = (
    (b"\0asm\1\0\0\0", "a core WebAssembly module; wrap it as a component (`wasm-tools component new`)"),
    (b"\0asm", "WebAssembly of a version that is neither a component nor a module"),
    (b"\x7fELF", "an ELF file, as for a native program or a compiled artifact"),
    (b"MZ", "a Windows program"),
    (b"PK\3\4", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"#!", "a script"),
)


def _what_it_is(wasm: bytes) -> str:
    if not wasm:
        return "the file is empty; expected a WebAssembly component"
    if b"\0asm".startswith(wasm) or (wasm.startswith(b"\0asm") and len(wasm) < len(_COMPONENT_HEADER)):
        return f"a WebAssembly file cut off after {len(wasm)} bytes"
    for prefix, description in _KNOWN_FORMATS:
        if wasm.startswith(prefix):
            return f"this is {description}; expected a WebAssembly component"
    if wasm.lstrip()[:1] == b"(" or wasm.lstrip().startswith(b";;"):
        return "this is WebAssembly text; expected the binary form of a component"
    return f"the bytes start with {wasm[:8].hex(' ')}; expected a WebAssembly component"
