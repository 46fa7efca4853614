"""What a guest does when it is instantiated, before the function that was called."""

import asyncio

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core.guest_outcomes import Returned
from obelisk_runtime.engine import WasmtimeEngine
from obelisk_runtime.ports.engine import GuestLimits

ROUNDS = 400_000_000
"""Iterations that take several slices."""
COUNTS_AT_START = f"""(component
  (core module $m
    (global $n (mut i32) (i32.const 0))
    (func $count (loop $again
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (global.get $n) (i32.const {ROUNDS})))))
    (start $count)
    (func (export "counted") (result i32) (global.get $n)))
  (core instance $i (instantiate $m))
  (func $counted (result u32) (canon lift (core func $i "counted")))
  (instance (export "test:start/it") (export "counted" (func $counted))))"""


@pytest.mark.parametrize("may_use_threads", [True, False])
async def test_a_start_function_that_computes_long_leaves_the_loop_responsive(
    engine: WasmtimeEngine, may_use_threads: bool
) -> None:
    component = await engine.compile(bytes(wat2wasm(COUNTS_AT_START)))
    (function,) = component.exports
    call = component.link({}, {}).start(function, (), None, GuestLimits(may_use_threads=may_use_threads))
    waiting, turns = asyncio.create_task(call.wait()), 0
    while not waiting.done():
        await asyncio.sleep(0)
        turns += 1
    assert waiting.result() == Returned(ROUNDS)
    assert turns > 2
