"""Streams of real guests: what they leak, forget to read or drop in the wrong order harms nobody but themselves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime import wasi
from obelisk_runtime.core.deployment import Access, DirectoryGrant
from obelisk_runtime.core.guest_outcomes import Dropped, Returned, Trapped
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.engine import GuestCall, GuestLimits
from obelisk_runtime.testing.world import ScriptedWorld

GUEST = r"""(component
  (import "wasi:io/error@0.2.3" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/poll@0.2.3" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.3" (instance $streams
    (alias outer 1 $error (type $outer-error))
    (export "error" (type $e (eq $outer-error)))
    (alias outer 1 $pollable (type $outer-pollable))
    (export "pollable" (type $p (eq $outer-pollable)))
    (type $stream-error' (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "input-stream" (type $input (sub resource)))
    (export "[method]input-stream.subscribe" (func (param "self" (borrow $input)) (result (own $p))))
    (export "[method]input-stream.blocking-read" (func
      (param "self" (borrow $input)) (param "len" u64) (result (result (list u8) (error $stream-error)))))
    (export "output-stream" (type $output (sub resource)))
    (export "[method]output-stream.check-write" (func
      (param "self" (borrow $output)) (result (result u64 (error $stream-error)))))
    (export "[method]output-stream.write" (func
      (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "input-stream" (type $input-stream))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdin@0.2.3" (instance $stdin
    (alias outer 1 $input-stream (type $outer-input))
    (export "input-stream" (type $input (eq $outer-input)))
    (export "get-stdin" (func (result (own $input))))))
  (import "wasi:filesystem/types@0.2.3" (instance $files
    (alias outer 1 $output-stream (type $outer-output))
    (export "output-stream" (type $output (eq $outer-output)))
    (alias outer 1 $input-stream (type $outer-input))
    (export "input-stream" (type $input (eq $outer-input)))
    (export "descriptor" (type $descriptor (sub resource)))
    (type $flags' (flags "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync"
      "mutate-directory"))
    (export "descriptor-flags" (type $flags (eq $flags')))
    (type $path-flags' (flags "symlink-follow"))
    (export "path-flags" (type $path-flags (eq $path-flags')))
    (type $open-flags' (flags "create" "directory" "exclusive" "truncate"))
    (export "open-flags" (type $open-flags (eq $open-flags')))
    (type $code' (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist"
      "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop"
      "too-many-links" "message-size" "name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory"
      "insufficient-space" "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device"
      "overflow" "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $code (eq $code')))
    (export "[method]descriptor.open-at" (func (param "self" (borrow $descriptor)) (param "path-flags" $path-flags)
      (param "path" string) (param "open-flags" $open-flags) (param "flags" $flags)
      (result (result (own $descriptor) (error $code)))))
    (export "[method]descriptor.write-via-stream" (func (param "self" (borrow $descriptor)) (param "offset" u64)
      (result (result (own $output) (error $code)))))
    (export "[method]descriptor.read-via-stream" (func (param "self" (borrow $descriptor)) (param "offset" u64)
      (result (result (own $input) (error $code)))))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.3" (instance $preopens
    (alias outer 1 $descriptor (type $outer-descriptor))
    (export "descriptor" (type $d (eq $outer-descriptor)))
    (export "get-directories" (func (result (list (tuple (own $d) string)))))))
  (core module $memory
    (memory (export "mem") 4)
    (global $next (mut i32) (i32.const 65536))
    (data (i32.const 512) "file")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
      (i32.sub (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8)))))
  (core instance $m (instantiate $memory))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $subscribe (canon lower (func $streams "[method]input-stream.subscribe")))
  (core func $read (canon lower (func $streams "[method]input-stream.blocking-read")
    (memory (core memory $m "mem")) (realloc (core func $m "realloc"))))
  (core func $check (canon lower (func $streams "[method]output-stream.check-write")
    (memory (core memory $m "mem"))))
  (core func $write (canon lower (func $streams "[method]output-stream.write") (memory (core memory $m "mem"))))
  (core func $get-stdin (canon lower (func $stdin "get-stdin")))
  (core func $directories (canon lower (func $preopens "get-directories")
    (memory (core memory $m "mem")) (realloc (core func $m "realloc"))))
  (core func $open (canon lower (func $files "[method]descriptor.open-at") (memory (core memory $m "mem"))))
  (core func $writing (canon lower (func $files "[method]descriptor.write-via-stream")
    (memory (core memory $m "mem"))))
  (core func $reading (canon lower (func $files "[method]descriptor.read-via-stream")
    (memory (core memory $m "mem"))))
  (core func $drop-input (canon resource.drop $input-stream))
  (core func $drop-output (canon resource.drop $output-stream))
  (core func $drop-pollable (canon resource.drop $pollable))
  (core module $program
    (import "m" "mem" (memory 4))
    (import "h" "block" (func $block (param i32)))
    (import "h" "subscribe" (func $subscribe (param i32) (result i32)))
    (import "h" "read" (func $read (param i32 i64 i32)))
    (import "h" "check" (func $check (param i32 i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (import "h" "get-stdin" (func $get-stdin (result i32)))
    (import "h" "directories" (func $directories (param i32)))
    (import "h" "open" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
    (import "h" "writing" (func $writing (param i32 i64 i32)))
    (import "h" "reading" (func $reading (param i32 i64 i32)))
    (import "h" "drop-input" (func $drop-input (param i32)))
    (import "h" "drop-output" (func $drop-output (param i32)))
    (import "h" "drop-pollable" (func $drop-pollable (param i32)))
    (func $file (param $open-flags i32) (param $flags i32) (result i32)
      (call $directories (i32.const 0))
      (call $open (i32.load (i32.load (i32.const 0))) (i32.const 0) (i32.const 512) (i32.const 4)
        (local.get $open-flags) (local.get $flags) (i32.const 16))
      (if (i32.load8_u (i32.const 16)) (then unreachable))
      (i32.load (i32.const 20)))
    (func $output (result i32)
      (call $writing (call $file (i32.const 1) (i32.const 2)) (i64.const 0) (i32.const 32))
      (if (i32.load8_u (i32.const 32)) (then unreachable))
      (i32.load (i32.const 36)))
    (func $write-four (param $stream i32)
      (call $check (local.get $stream) (i32.const 48))
      (call $write (local.get $stream) (i32.const 512) (i32.const 4) (i32.const 64)))
    (func (export "wrong-order") (local $stdin i32)
      (local.set $stdin (call $get-stdin))
      (drop (call $subscribe (local.get $stdin)))
      (call $drop-input (local.get $stdin)))
    (func (export "right-order") (local $stdin i32)
      (local.set $stdin (call $get-stdin))
      (call $drop-pollable (call $subscribe (local.get $stdin)))
      (call $drop-input (local.get $stdin)))
    (func (export "leak") (local $left i32)
      (local.set $left (i32.const 20))
      (loop $again
        (drop (call $subscribe (call $get-stdin)))
        (call $write-four (call $output))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $again (local.get $left))))
    (func (export "hoard") (loop $again (drop (call $subscribe (call $get-stdin))) (br $again)))
    (func (export "unflushed") (local $stream i32)
      (local.set $stream (call $output))
      (call $write-four (local.get $stream))
      (call $drop-output (local.get $stream)))
    (func (export "never-read")
      (call $reading (call $file (i32.const 0) (i32.const 1)) (i64.const 0) (i32.const 32))
      (call $block (call $subscribe (i32.load (i32.const 36)))))
    (func (export "too-much") (call $write (call $output) (i32.const 512) (i32.const 4) (i32.const 64)))
    (func (export "calls") (local $left i32) (local $stream i32)
      (local.set $stream (call $output))
      (local.set $left (i32.const 100000))
      (loop $again
        (call $check (local.get $stream) (i32.const 48))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $again (local.get $left)))))
  (core instance $p (instantiate $program (with "m" (instance $m)) (with "h" (instance
    (export "block" (func $block)) (export "subscribe" (func $subscribe)) (export "read" (func $read))
    (export "check" (func $check)) (export "write" (func $write)) (export "get-stdin" (func $get-stdin))
    (export "directories" (func $directories)) (export "open" (func $open)) (export "writing" (func $writing))
    (export "reading" (func $reading)) (export "drop-input" (func $drop-input))
    (export "drop-output" (func $drop-output)) (export "drop-pollable" (func $drop-pollable))))))
  (func $wrong-order (canon lift (core func $p "wrong-order")))
  (func $right-order (canon lift (core func $p "right-order")))
  (func $leak (canon lift (core func $p "leak")))
  (func $hoard (canon lift (core func $p "hoard")))
  (func $unflushed (canon lift (core func $p "unflushed")))
  (func $never-read (canon lift (core func $p "never-read")))
  (func $too-much (canon lift (core func $p "too-much")))
  (func $calls (canon lift (core func $p "calls")))
  (instance $e
    (export "wrong-order" (func $wrong-order)) (export "right-order" (func $right-order))
    (export "leak" (func $leak)) (export "hoard" (func $hoard)) (export "unflushed" (func $unflushed))
    (export "never-read" (func $never-read)) (export "too-much" (func $too-much)) (export "calls" (func $calls)))
  (export "test:streams/streams" (instance $e)))"""


@dataclass
class Context:
    wasi: wasi.WasiState


@dataclass
class Guest:
    """The guest in a world with one directory; `finish` is what the service does when a call has ended."""

    start_call: Callable[[str, Context], GuestCall]
    folder: Path
    context: Context

    def start(self, function: str) -> GuestCall:
        return self.start_call(function, self.context)

    async def run(self, function: str) -> Any:
        call = self.start(function)
        outcome = call.poll() or await call.wait()
        for work in self.context.wasi.close():
            await work
        return outcome


def open_below(folder: Path) -> list[Path]:
    targets: list[Path] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists
            targets.append(descriptor.readlink())
    return [target for target in targets if target == folder or folder in target.parents]


@pytest.fixture
async def guest(tmp_path: Path) -> AsyncIterator[Guest]:
    engine = WasmtimeEngine(settings=EngineSettings(guests_max=4))
    compiled = await engine.compile(bytes(wat2wasm(GUEST)))
    binding = wasi.bind(compiled)
    linked = compiled.link(binding.functions, binding.destructors)
    world = ScriptedWorld(directories=[DirectoryGrant(str(tmp_path), "/data", Access.READ_WRITE)])

    def start(function: str, context: Context) -> GuestCall:
        return linked.start(Ffqn.parse(f"test:streams/streams.{function}"), (), context, GuestLimits())

    yield Guest(start, tmp_path, Context(wasi.WasiState(world)))
    await engine.close()
    assert open_below(tmp_path) == []


async def test_dropping_a_stream_before_its_pollable_traps_the_guest(guest: Guest) -> None:
    outcome = await guest.run("wrong-order")
    assert isinstance(outcome, Trapped)
    assert outcome.message == "the guest dropped a InputStream before what it got from it"
    guest.context = Context(wasi.WasiState(guest.context.wasi.world))
    assert await guest.run("right-order") == Returned(None)


async def test_what_a_guest_leaks_is_closed_when_it_ends_and_what_it_wrote_is_written(guest: Guest) -> None:
    assert await guest.run("leak") == Returned(None)
    assert (guest.folder / "file").read_bytes() == b"file"


async def test_a_guest_that_hoards_handles_traps(guest: Guest) -> None:
    outcome = await guest.run("hoard")
    assert isinstance(outcome, Trapped)
    assert "10000 WASI resources" in outcome.message


async def test_what_was_written_before_a_drop_without_a_flush_is_written(guest: Guest) -> None:
    assert await guest.run("unflushed") == Returned(None)
    assert (guest.folder / "file").read_bytes() == b"file"


async def test_a_guest_that_waits_for_bytes_and_never_reads_them_ends(guest: Guest) -> None:
    (guest.folder / "file").write_bytes(b"x" * 1_000_000)
    assert await guest.run("never-read") == Returned(None)


async def test_a_guest_that_is_dropped_while_it_waits_for_a_file_leaves_nothing_open(guest: Guest) -> None:
    (guest.folder / "file").write_bytes(b"x")
    call = guest.start("never-read")
    assert call.poll() is None
    call.drop()
    assert await call.wait() == Dropped()
    guest.context.wasi.close()
    await asyncio.get_running_loop().shutdown_default_executor()
    await asyncio.sleep(0)


async def test_writing_without_asking_for_room_traps(guest: Guest) -> None:
    outcome = await guest.run("too-much")
    assert isinstance(outcome, Trapped)
    assert outcome.message == "4 bytes were written where check-write permitted 0"
    assert (guest.folder / "file").read_bytes() == b""
