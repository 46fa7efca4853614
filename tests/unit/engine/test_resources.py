"""Handles of host resources: given, lent, kept and dropped, also under several names."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from obelisk_runtime.core.guest_outcomes import HostFailed, Returned, Trapped
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import Borrow, Own
from obelisk_runtime.engine import WasmtimeEngine
from obelisk_runtime.ports.engine import GuestLimits, GuestTrap, ImportedResource, MissingImport

LIMITS = GuestLimits()
# `drop-late` computes before it drops, so that a worker thread runs the destructor's callback.
GUEST = r"""(component
  (import "host:api/sets" (instance $sets
    (export "join-set" (type $t (sub resource)))
    (export "own-alias" (type $ta (eq $t)))))
  (alias export $sets "join-set" (type $set))
  (import "host:api/use" (instance $use
    (alias outer 1 $set (type $st))
    (export "set" (type $alias (eq $st)))
    (export "create" (func (result (own $alias))))
    (export "next" (func (param "set" (borrow $alias)) (result u32)))
    (export "take" (func (param "set" (own $alias))))
    (export "find" (func (result (option (own $alias)))))))
  (core module $memory (memory (export "mem") 1))
  (core instance $mem (instantiate $memory))
  (alias core export $mem "mem" (core memory $shared))
  (alias export $use "create" (func $create)) (alias export $use "next" (func $next))
  (alias export $use "take" (func $take)) (alias export $use "find" (func $find))
  (core func $create_lowered (canon lower (func $create)))
  (core func $next_lowered (canon lower (func $next)))
  (core func $take_lowered (canon lower (func $take)))
  (core func $find_lowered (canon lower (func $find) (memory $shared)))
  (core func $drop (canon resource.drop $set))
  (core module $m
    (import "h" "create" (func $create (result i32)))
    (import "h" "next" (func $next (param i32) (result i32)))
    (import "h" "take" (func $take (param i32)))
    (import "h" "find" (func $find (param i32)))
    (import "h" "drop" (func $drop (param i32)))
    (import "h" "mem" (memory 1))
    (func (export "use") (result i32) (local $set i32) (local $sum i32)
      (local.set $set (call $create))
      (local.set $sum (i32.add (call $next (local.get $set)) (call $next (local.get $set))))
      (call $drop (local.get $set)) (local.get $sum))
    (func (export "give") (call $take (call $create)))
    (func (export "found") (result i32)
      (call $find (i32.const 16))
      (if (result i32) (i32.load8_u (i32.const 16))
        (then (call $next (i32.load (i32.const 20)))) (else (i32.const 0))))
    (func (export "keep") (param i32) (result i32) (call $next (local.get 0)))
    (func (export "pass") (param i32) (result i32) (local.get 0))
    (func (export "drop-late") (param $n i32) (local $set i32) (local $i i32)
      (local.set $set (call $create))
      (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (local.get $n))))
      (call $drop (local.get $set))
      (drop (call $create))))
  (core instance $i (instantiate $m (with "h" (instance
    (export "create" (func $create_lowered)) (export "next" (func $next_lowered))
    (export "take" (func $take_lowered)) (export "find" (func $find_lowered))
    (export "drop" (func $drop)) (export "mem" (memory $shared))))))
  (func $f_use (result u32) (canon lift (core func $i "use")))
  (func $f_give (canon lift (core func $i "give")))
  (func $f_found (result u32) (canon lift (core func $i "found")))
  (func $f_keep (param "set" (own $set)) (result u32) (canon lift (core func $i "keep")))
  (func $f_pass (param "set" (own $set)) (result (own $set)) (canon lift (core func $i "pass")))
  (func $f_drop_late (param "n" u32) (canon lift (core func $i "drop-late")))
  (instance $e
    (export "use" (func $f_use)) (export "give" (func $f_give)) (export "found" (func $f_found))
    (export "keep" (func $f_keep)) (export "pass" (func $f_pass)) (export "drop-late" (func $f_drop_late)))
  (export "test:guest/sets" (instance $e)))"""
SET = ("host:api/sets", "join-set")


class Host:
    """Host functions that note what they are asked."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, int]] = []
        self.found: Any = 9

    def create(self, _context: object, _arguments: tuple[()]) -> Any:
        return 42

    def next(self, _context: object, arguments: tuple[int]) -> int:
        self.notes.append(("next", arguments[0]))
        return 5

    def take(self, _context: object, arguments: tuple[int]) -> None:
        self.notes.append(("take", arguments[0]))

    def find(self, _context: object, _arguments: tuple[()]) -> Any:
        return self.found

    def drop(self, _context: object, rep: int) -> None:
        asyncio.get_running_loop()
        self.notes.append(("drop", rep))


@pytest.fixture
def host() -> Host:
    return Host()


Run = Callable[..., Any]


@pytest.fixture
def run(engine: WasmtimeEngine, component: Callable[[str], bytes], host: Host) -> Run:
    async def call(function: str, *arguments: Any) -> Any:
        names = ("create", "next", "take", "find")
        functions = {("host:api/use", name): getattr(host, name) for name in names}
        linked = (await engine.compile(component(GUEST))).link(functions, {SET: host.drop})
        return await linked.start(Ffqn.parse(f"test:guest/sets.{function}"), arguments, None, LIMITS).wait()

    return call


async def test_a_handle_is_lent_and_dropped(run: Run, host: Host) -> None:
    assert await run("use") == Returned(10)
    assert host.notes == [("next", 42), ("next", 42), ("drop", 42)]


async def test_a_handle_given_away_is_the_hosts_to_free(run: Run, host: Host) -> None:
    assert await run("give") == Returned(None)
    assert host.notes == [("take", 42)]


async def test_a_handle_may_be_part_of_a_value(run: Run, host: Host) -> None:
    assert await run("found") == Returned(5)
    host.found = None
    assert await run("found") == Returned(0)
    assert host.notes == [("next", 9)]


async def test_a_handle_may_be_answered_later(run: Run, host: Host) -> None:
    async def later(_context: object, _arguments: tuple[()]) -> int:
        await asyncio.sleep(0)
        return 7

    host.create = later
    assert await run("use") == Returned(10)
    assert host.notes == [("next", 7), ("next", 7), ("drop", 7)]


async def test_a_handle_is_an_argument_and_a_result_of_a_call(run: Run, host: Host) -> None:
    assert await run("keep", 3) == Returned(5)
    assert host.notes == [("next", 3)]
    assert await run("pass", 4) == Returned(4)


async def test_a_destructor_runs_on_the_loop_before_the_next_host_function(run: Run, host: Host) -> None:
    created = 0

    def create(_context: object, _arguments: tuple[()]) -> int:
        nonlocal created
        created += 1
        host.notes.append(("create", created))
        return created

    host.create = create
    assert await run("drop-late", 80_000_000) == Returned(None)
    assert host.notes == [("create", 1), ("drop", 1), ("create", 2)]


@pytest.mark.parametrize(("function", "arguments"), [("use", ()), ("drop-late", (80_000_000,))])
async def test_a_failing_destructor_ends_the_call(
    run: Run, host: Host, function: str, arguments: tuple[int, ...]
) -> None:
    error = ZeroDivisionError("bug")

    def fail(_context: object, _rep: int) -> None:
        raise error

    host.drop = fail
    assert await run(function, *arguments) == HostFailed(error)
    error = GuestTrap("in use")
    trapped = await run(function, *arguments)
    assert isinstance(trapped, Trapped)
    assert trapped.message == "in use"


async def test_an_interrupt_in_a_destructor_is_passed_on(run: Run, host: Host, engine: WasmtimeEngine) -> None:
    def interrupt(_context: object, _rep: int) -> None:
        raise SystemExit(3)

    host.drop = interrupt
    # Not in a task: it would end the event loop, as it should.
    coroutine = run("use")
    with pytest.raises(SystemExit):
        await coroutine
    assert engine.guests == 0


async def test_all_names_of_a_resource_are_one(engine: WasmtimeEngine, component: Callable[[str], bytes]) -> None:
    compiled = await engine.compile(component(GUEST))
    assert compiled.resources == (ImportedResource(*SET),)
    types = {item.name: item.type for item in compiled.imports}
    assert types["create"].result == Own("host:api/sets.join-set")
    assert types["next"].params == (("set", Borrow("host:api/sets.join-set")),)


async def test_a_resource_without_destructor_is_a_missing_import(
    engine: WasmtimeEngine, component: Callable[[str], bytes]
) -> None:
    compiled = await engine.compile(component(GUEST))
    with pytest.raises(MissingImport, match=r"host:api/sets.join-set"):
        compiled.link({("host:api/use", name): lambda *_: None for name in ("create", "next", "take", "find")}, {})
