"""What the engine's settings promise: determinism, and room for guests wherever it runs."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from obelisk_runtime import engine as public
from obelisk_runtime.core.guest_outcomes import Returned
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import WasmtimeEngine
from obelisk_runtime.ports.engine import GuestLimits, NotAComponent

NAN = r"""(component
  (core module $m (func (export "bits") (param f32) (result i32)
    (i32.reinterpret_f32 (f32.div (local.get 0) (local.get 0)))))
  (core instance $i (instantiate $m))
  (func $bits (param "zero" f32) (result u32) (canon lift (core func $i "bits")))
  (instance $e (export "bits" (func $bits)))
  (export "test:guest/nan" (instance $e)))"""
SHARED = r"""(component (core module $m (memory 1 1 shared)))"""


async def test_a_nan_has_the_same_bits_everywhere(engine: WasmtimeEngine, component: Callable[[str], bytes]) -> None:
    linked = (await engine.compile(component(NAN))).link({}, {})
    call = linked.start(Ffqn.parse("test:guest/nan.bits"), (0.0,), None, GuestLimits())
    assert await call.wait() == Returned(0x7FC00000)


async def test_guests_have_no_threads(engine: WasmtimeEngine, component: Callable[[str], bytes]) -> None:
    with pytest.raises(NotAComponent, match="threads"):
        await engine.compile(component(SHARED))


CRAMPED = """
import asyncio, resource, sys
from wasmtime import wat2wasm
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import WasmtimeEngine
from obelisk_runtime.ports.engine import GuestLimits, GuestsExhausted

async def main():
    engine = WasmtimeEngine()
    waits = asyncio.get_running_loop().create_future()
    compiled = await engine.compile(bytes(wat2wasm(sys.stdin.read())))
    linked = compiled.link({("host:api/steps", "step"): lambda *_: waits}, {})
    start = lambda: linked.start(Ffqn.parse("test:guest/steps.run"), (1,), None, GuestLimits())
    calls = []
    try:
        while True:
            calls.append(start())
            assert calls[-1].poll() is None
    except GuestsExhausted:
        calls.pop()
    print(len(calls) > 3, engine.guests == len(calls))
    calls.pop().drop()
    print(start().poll())
    await engine.close()

resource.setrlimit(resource.RLIMIT_AS, (40 << 30, 40 << 30))
asyncio.run(main())
"""


def test_where_address_space_is_short_fewer_guests_fit_and_one_too_many_is_pressure(steps: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", CRAMPED], input=steps, capture_output=True, text=True, timeout=240, check=False
    )
    assert process.stdout.splitlines() == ["True True", "None"], process.stderr
    assert process.returncode == 0


def test_the_public_surface_is_pinned() -> None:
    assert public.__all__ == ["EngineSettings", "Surface", "WasmtimeEngine", "digest_of"]
