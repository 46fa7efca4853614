"""What is a component, what it imports and exports, and how compiled ones are kept."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from wasmtime import component as wc

from obelisk_runtime.core.guest_outcomes import Returned
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType, Primitive
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine, digest_of
from obelisk_runtime.engine.artifacts import ArtifactCache
from obelisk_runtime.ports.engine import (
    GuestLimits,
    ImportedFunction,
    MissingImport,
    NotAComponent,
    UnsupportedComponent,
)

LIMITS = GuestLimits()
SMALL = EngineSettings(guests_max=64)
ADD = r"""(component
  (core module $m (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $i (instantiate $m))
  (func $add (param "left" u8) (param "right" u32) (result u32) (canon lift (core func $i "add")))
  (instance $e (export "add" (func $add)))
  (export "test:guest/math@1.2.3" (instance $e))
  (export "bare" (func $add)))"""
IMPORTS = r"""(component
  (import "host:api/log@1.0.0" (instance $l (export "info" (func (param "text" string)))
    (export "thing" (type $thing (sub resource)))
    (export "[static]thing.make" (func (result u8))))))"""
FUNCTION = Ffqn.parse("test:guest/math@1.2.3.add")
Text = Callable[[str], bytes]


@pytest.mark.parametrize(
    ("wasm", "message"),
    [
        (b"", "empty"),
        (b"\0asm", "cut off after 4 bytes"),
        (b"\0a", "cut off after 2 bytes"),
        (b"\0asm\x01\0\0\0", "core WebAssembly module"),
        (b"\0asm\x07\0\0\0", "neither a component nor a module"),
        (b"\x7fELF\x02", "ELF file"),
        (b"  (component)", "WebAssembly text"),
        (b"{}", "start with 7b 7d"),
    ],
)
async def test_bytes_that_are_no_component_are_named(engine: WasmtimeEngine, wasm: bytes, message: str) -> None:
    with pytest.raises(NotAComponent, match=message):
        await engine.compile(wasm)


@pytest.mark.parametrize("size", [9, 20, -1])
async def test_a_component_that_is_cut_off_is_refused(engine: WasmtimeEngine, component: Text, size: int) -> None:
    with pytest.raises(NotAComponent):
        await engine.compile(component(ADD)[:size])


async def test_functions_of_exported_interfaces_are_exports(engine: WasmtimeEngine, component: Text) -> None:
    wasm = component(ADD)
    compiled = await engine.compile(wasm)
    type_ = FunctionType((("left", Primitive.U8), ("right", Primitive.U32)), Primitive.U32)
    assert compiled.exports == {FUNCTION: type_}
    assert (compiled.imports, compiled.resources, compiled.digest) == ((), (), digest_of(wasm))
    assert await compiled.link({}, {}).start(FUNCTION, (1, 2), None, LIMITS).wait() == Returned(3)


async def test_imports_keep_the_spelling_of_wit(engine: WasmtimeEngine, component: Text) -> None:
    compiled = await engine.compile(component(IMPORTS))
    interface = "host:api/log@1.0.0"
    assert compiled.imports == (
        ImportedFunction(interface, "info", FunctionType((("text", Primitive.STRING),), None)),
        ImportedFunction(interface, "[static]thing.make", FunctionType((), Primitive.U8)),
    )


async def test_every_import_must_be_bound(engine: WasmtimeEngine, component: Text) -> None:
    compiled = await engine.compile(component(IMPORTS))
    with pytest.raises(MissingImport) as missing:
        compiled.link(
            {("host:api/log@1.0.0", "info"): lambda *_: None}, {("host:api/log@1.0.0", "thing"): lambda *_: None}
        )
    assert (missing.value.interface, missing.value.name) == ("host:api/log@1.0.0", "[static]thing.make")


@pytest.mark.parametrize(
    "text",
    [
        '(component (import "run" (func)))',
        '(component (import "host:api/x" (instance (export "f" (func (param "s" (stream u8)))))))',
        '(component (import "host:api/x" (instance (export "f" (func (param "s" (future u8)))))))',
    ],
)
async def test_what_the_host_cannot_provide_is_refused(engine: WasmtimeEngine, component: Text, text: str) -> None:
    with pytest.raises((UnsupportedComponent, NotAComponent)):
        await engine.compile(component(text))


async def test_a_function_that_is_not_exported_cannot_be_started(engine: WasmtimeEngine, component: Text) -> None:
    linked = (await engine.compile(component(ADD))).link({}, {})
    with pytest.raises(KeyError):
        linked.start(Ffqn.parse("test:guest/math@1.2.3.sub"), (), None, LIMITS)


async def test_fuel_needs_an_engine_that_meters_it(engine: WasmtimeEngine, component: Text) -> None:
    linked = (await engine.compile(component(ADD))).link({}, {})
    with pytest.raises(ValueError, match="fuel"):
        linked.start(FUNCTION, (1, 2), None, GuestLimits(fuel=10))
    assert engine.guests == 0


class Compilations:
    """Counts what wasmtime really compiles."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        compile_ = wc.Component.__init__

        def counted(component: wc.Component, *arguments: object) -> None:
            self.count += 1
            compile_(component, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(wc.Component, "__init__", counted)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> Compilations:
    return Compilations(monkeypatch)


class TestCache:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "cache"

    @pytest.fixture
    async def engine(self, folder: Path) -> AsyncIterator[WasmtimeEngine]:
        engine = WasmtimeEngine(folder, SMALL)
        yield engine
        await engine.close()

    async def check(self, engine: WasmtimeEngine, wasm: bytes) -> None:
        linked = (await engine.compile(wasm)).link({}, {})
        assert await linked.start(FUNCTION, (1, 2), None, LIMITS).wait() == Returned(3)

    def artifact(self, folder: Path) -> Path:
        (path,) = self.artifacts(folder)
        return path

    def artifacts(self, folder: Path) -> list[Path]:
        return list(folder.iterdir())

    async def test_a_component_is_compiled_once(
        self, engine: WasmtimeEngine, component: Text, folder: Path, compilations: Compilations
    ) -> None:
        wasm = component(ADD)
        await asyncio.gather(*(self.check(engine, wasm) for _ in range(5)))
        await self.check(engine, wasm)
        other = WasmtimeEngine(folder, SMALL)
        await self.check(other, wasm)
        await other.close()
        assert compilations.count == 1
        assert self.artifact(folder).parent.stat().st_mode & 0o777 == 0o700

    async def test_other_settings_have_artifacts_of_their_own(
        self, engine: WasmtimeEngine, component: Text, folder: Path
    ) -> None:
        await self.check(engine, component(ADD))
        other = WasmtimeEngine(folder, EngineSettings(guests_max=64, fuel=True))
        await self.check(other, component(ADD))
        await other.close()
        assert len(self.artifacts(folder)) == 2

    @pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign"])
    async def test_a_damaged_artifact_is_compiled_again(
        self, engine: WasmtimeEngine, component: Text, folder: Path, compilations: Compilations, damage: str
    ) -> None:
        await self.check(engine, component(ADD))
        path = self.artifact(folder)
        whole = path.read_bytes()
        match damage:
            case "flip":
                path.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
            case "cut":
                path.write_bytes(whole[:-1])
            case "empty":
                path.write_bytes(b"")
            case _:
                ArtifactCache(folder).store(path.stem, b"not an artifact of wasmtime")
        await self.check(engine, component(ADD))
        assert compilations.count == 2
        assert self.artifact(folder).read_bytes() == whole

    @pytest.mark.parametrize("who", ["file", "folder"])
    async def test_what_others_can_write_is_not_loaded(
        self, engine: WasmtimeEngine, component: Text, folder: Path, compilations: Compilations, who: str
    ) -> None:
        await self.check(engine, component(ADD))
        (folder if who == "folder" else self.artifact(folder)).chmod(0o777)
        await self.check(engine, component(ADD))
        assert compilations.count == 2

    async def test_a_link_is_not_followed(
        self, engine: WasmtimeEngine, component: Text, folder: Path, compilations: Compilations
    ) -> None:
        await self.check(engine, component(ADD))
        path = self.artifact(folder)
        path.rename(folder.parent / "elsewhere")
        path.symlink_to(folder.parent / "elsewhere")
        await self.check(engine, component(ADD))
        assert compilations.count == 2
        assert not path.is_symlink()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    async def test_what_belongs_to_others_is_not_loaded(
        self, engine: WasmtimeEngine, component: Text, folder: Path, compilations: Compilations
    ) -> None:
        await self.check(engine, component(ADD))
        os.chown(self.artifact(folder), 1234, -1)
        await self.check(engine, component(ADD))
        assert compilations.count == 2

    async def test_a_folder_that_cannot_be_written_is_no_obstacle(self, component: Text, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        engine = WasmtimeEngine(tmp_path / "file" / "cache", SMALL)
        await self.check(engine, component(ADD))
        await engine.close()
