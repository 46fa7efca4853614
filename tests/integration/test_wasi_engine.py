"""Handles and lists of WASI across the real engine, with a tiny guest built against the first version, 0.2.0."""

from dataclasses import dataclass

from wasmtime import wat2wasm

from obelisk_runtime import wasi
from obelisk_runtime.core.guest_outcomes import GuestOutcome, Returned
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.engine import GuestLimits
from obelisk_runtime.testing.world import ScriptedWorld
from obelisk_runtime.wasi.state import Resource

GUEST = r"""(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.ready" (func (param "self" (borrow $pollable)) (result bool)))
    (export "poll" (func (param "in" (list (borrow $pollable))) (result (list u32))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $pollable (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
  (import "wasi:random/insecure-seed@0.2.0" (instance $seed
    (export "insecure-seed" (func (result (tuple u64 u64))))))
  (core module $memory
    (memory (export "mem") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 256)))
  (core instance $m (instantiate $memory))
  (core func $ready (canon lower (func $poll "[method]pollable.ready")))
  (core func $wait (canon lower (func $poll "poll")
    (memory (core memory $m "mem")) (realloc (core func $m "realloc"))))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $draw (canon lower (func $seed "insecure-seed") (memory (core memory $m "mem"))))
  (core func $drop (canon resource.drop $pollable))
  (core module $program
    (import "m" "mem" (memory 1))
    (import "h" "ready" (func $ready (param i32) (result i32)))
    (import "h" "wait" (func $wait (param i32 i32 i32)))
    (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "h" "draw" (func $draw (param i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "race") (result i32) (local $late i32) (local $early i32) (local $answer i32)
      (local.set $late (call $subscribe (i64.const 90)))
      (local.set $early (call $subscribe (i64.const 20)))
      (i32.store (i32.const 0) (local.get $late))
      (i32.store (i32.const 4) (local.get $early))
      (call $wait (i32.const 0) (i32.const 2) (i32.const 16))
      (local.set $answer (i32.add
        (i32.add
          (i32.mul (i32.load (i32.const 20)) (i32.const 1000))
          (i32.mul (i32.load (i32.load (i32.const 16))) (i32.const 100)))
        (i32.add
          (i32.mul (call $ready (local.get $early)) (i32.const 10))
          (call $ready (local.get $late)))))
      (call $drop (local.get $early))
      (call $drop (local.get $late))
      (local.get $answer))
    (func (export "seed") (result i64)
      (call $draw (i32.const 32))
      (i64.xor (i64.load (i32.const 32)) (i64.load (i32.const 40)))))
  (core instance $p (instantiate $program (with "m" (instance $m)) (with "h" (instance
    (export "ready" (func $ready)) (export "wait" (func $wait)) (export "subscribe" (func $subscribe))
    (export "draw" (func $draw)) (export "drop" (func $drop))))))
  (func $race (result u32) (canon lift (core func $p "race")))
  (func $seed_xor (result u64) (canon lift (core func $p "seed")))
  (instance $e (export "race" (func $race)) (export "seed" (func $seed_xor)))
  (export "test:wasi/tiny" (instance $e)))"""


@dataclass
class Context:
    wasi: wasi.WasiState


async def run(function: str, context: Context) -> GuestOutcome:
    engine = WasmtimeEngine(settings=EngineSettings(guests_max=4))
    try:
        compiled = await engine.compile(bytes(wat2wasm(GUEST)))
        binding = wasi.bind(compiled)
        linked = compiled.link(binding.functions, binding.destructors)
        return await linked.start(Ffqn.parse(f"test:wasi/tiny.{function}"), (), context, GuestLimits()).wait()
    finally:
        await engine.close()


async def test_the_earlier_of_two_clocks_wins_and_dropped_handles_are_free_again() -> None:
    world = ScriptedWorld()
    context = Context(wasi.WasiState(world))
    one_ready_the_second_early_but_not_late = 1 * 1000 + 1 * 100 + 1 * 10 + 0
    assert await run("race", context) == Returned(one_ready_the_second_early_but_not_late)
    assert world.waits == [20]
    assert {context.wasi.add(Resource()), context.wasi.add(Resource())} == {1, 2}


async def test_the_seed_of_hash_maps_is_that_of_the_world() -> None:
    context, same = Context(wasi.WasiState(ScriptedWorld(seed=3))), ScriptedWorld(seed=3)
    halves = [int.from_bytes(same.random_bytes(8), "little") for _ in range(2)]
    assert await run("seed", context) == Returned(halves[0] ^ halves[1])
