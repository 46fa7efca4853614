"""Guests written as WebAssembly text, and an engine for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.engine import GuestCall, GuestLimits, HostFunction

LIMITS = GuestLimits()
STEPS = r"""(component
  (import "host:api/steps" (instance $h (export "step" (func (param "x" u32) (result u32)))))
  (alias export $h "step" (func $step))
  (core func $lowered (canon lower (func $step)))
  (core module $m
    (import "h" "step" (func $step (param i32) (result i32)))
    (memory (export "mem") 1)
    (table $t 1 funcref)
    (func $spin (export "spin") (param $n i32) (result i32) (local $i i32)
      (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (local.get $n)))) (local.get $i))
    (func $forever (export "forever") (loop $l (br $l)))
    (func $divide (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
    (func $deep (export "deep") (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))
    (func $grow (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func $touch (export "touch") (param $n i32) (result i32)
      (drop (memory.grow (local.get $n)))
      (memory.fill (i32.const 0) (i32.const 7) (i32.mul (local.get $n) (i32.const 65536)))
      (call $step (local.get $n)))
    (func $grow_table (export "grow-table") (param i32) (result i32)
      (table.grow $t (ref.null func) (local.get 0)))
    (func $spin_step (export "spin-step") (param $n i32) (result i32)
      (call $step (call $spin (local.get $n))))
    (func (export "run") (param $n i32) (result i32) (local $i i32) (local $sum i32)
      (block $end (loop $next
        (br_if $end (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $sum (i32.add (local.get $sum) (call $step (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
      (local.get $sum)))
  (core instance $i (instantiate $m (with "h" (instance (export "step" (func $lowered))))))
  (func $run (param "n" u32) (result u32) (canon lift (core func $i "run")))
  (func $spin (param "n" u32) (result u32) (canon lift (core func $i "spin")))
  (func $spin_step (param "n" u32) (result u32) (canon lift (core func $i "spin-step")))
  (func $divide (param "n" u32) (result u32) (canon lift (core func $i "divide")))
  (func $deep (param "n" u32) (result u32) (canon lift (core func $i "deep")))
  (func $grow (param "n" u32) (result s32) (canon lift (core func $i "grow")))
  (func $touch (param "n" u32) (result u32) (canon lift (core func $i "touch")))
  (func $grow_table (param "n" u32) (result s32) (canon lift (core func $i "grow-table")))
  (func $forever (canon lift (core func $i "forever")))
  (instance $e
    (export "run" (func $run)) (export "spin" (func $spin)) (export "spin-step" (func $spin_step))
    (export "divide" (func $divide)) (export "deep" (func $deep)) (export "grow" (func $grow))
    (export "touch" (func $touch)) (export "grow-table" (func $grow_table)) (export "forever" (func $forever)))
  (export "test:guest/steps" (instance $e)))"""

STEP = ("host:api/steps", "step")
StartStep = Callable[..., Awaitable[GuestCall]]


@pytest.fixture
def settings() -> EngineSettings:
    return EngineSettings(guests_max=256)


@pytest.fixture
async def engine(settings: EngineSettings) -> AsyncIterator[WasmtimeEngine]:
    engine = WasmtimeEngine(settings=settings)
    yield engine
    await engine.close()
    assert engine.guests == 0


@pytest.fixture
def component() -> Callable[[str], bytes]:
    return lambda text: bytes(wat2wasm(text))


@pytest.fixture
def resident_bytes() -> Callable[[], int]:
    return lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.fixture
def steps() -> str:
    return STEPS


@pytest.fixture
def start(engine: WasmtimeEngine) -> StartStep:
    """Start a function of the guest STEPS with a host function `step`."""

    async def start_step(
        function: str,
        *arguments: Any,
        step: HostFunction = lambda _context, arguments: arguments[0] * 2,
        limits: GuestLimits = LIMITS,
        context: object = None,
    ) -> GuestCall:
        compiled = await engine.compile(bytes(wat2wasm(STEPS)))
        linked = compiled.link({STEP: step}, {})
        return linked.start(Ffqn.parse(f"test:guest/steps.{function}"), arguments, context, limits)

    return start_step
