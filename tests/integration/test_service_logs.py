"""What guests print, from the guest to the store, by a service."""

from typing import Any

import pytest
from wasmtime import wat2wasm

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import ComponentKind, ComponentSettings, RuntimeLimits
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.service.guests.log import FULL
from obelisk_runtime.service.process.logs import BATCH_RECORDS_MAX

PRINT = "testing:printer/printer.print"
LINES = 2 * BATCH_RECORDS_MAX + 100
PRINTER = r"""(component
  (import "wasi:io/error@0.2.0" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error (type $outer-error))
    (export "error" (type $e (eq $outer-error)))
    (type $stream-error' (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "output-stream" (type $output (sub resource)))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (alias outer 1 $output-stream (type $outer-output))
    (export "output-stream" (type $output (eq $outer-output)))
    (export "get-stderr" (func (result (own $output))))))
  (core module $memory (memory (export "mem") 1) (data (i32.const 1024) "TEXT"))
  (core instance $m (instantiate $memory))
  (core func $get (canon lower (func $stderr "get-stderr")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory (core memory $m "mem"))))
  (core module $program
    (import "m" "mem" (memory 1))
    (import "h" "get" (func $get (result i32)))
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (func (export "print") (param $fails i32) (result i32)
      (call $write (call $get) (i32.const 1024) (i32.const LENGTH) (i32.const 0))
      (if (local.get $fails) (then unreachable))
      (i32.const 0)))
  (core instance $p (instantiate $program (with "m" (instance $m)) (with "h" (instance
    (export "get" (func $get)) (export "write" (func $write))))))
  (func $print (param "fails" bool) (result (result)) (canon lift (core func $p "print")))
  (instance $e (export "print" (func $print)))
  (export "testing:printer/printer" (instance $e)))"""


def printer(kind: ComponentKind) -> tuple[ComponentSettings, bytes]:
    """Prints LINES numbered lines at once."""
    text = "".join(f"{number}\\n" for number in range(LINES))
    wat = PRINTER.replace("TEXT", text).replace("LENGTH", str(len(text.replace("\\n", "\n"))))
    retries = RetryPolicy(max=1, backoff=1_000, jitter=0.0)
    return ComponentSettings("printer", kind, "printer.wasm", retries=retries), bytes(wat2wasm(wat))


@pytest.mark.parametrize("kind", [ComponentKind.ACTIVITY, ComponentKind.WORKFLOW])
async def test_all_that_a_guest_printed_is_there_in_order_when_it_has_ended(
    site: Any, run: Any, kind: ComponentKind
) -> None:
    service = await site.start(printer(kind))
    execution_id, outcome = await run(service, PRINT, [False])
    assert outcome == ev.Ok(None)
    assert await site.lines(execution_id) == [str(number) for number in range(LINES)]


@pytest.mark.parametrize("kind", [ComponentKind.ACTIVITY, ComponentKind.WORKFLOW])
async def test_a_guest_that_prints_too_much_is_cut_with_a_mark(site: Any, run: Any, kind: ComponentKind) -> None:
    service = await site.start(printer(kind), limits=RuntimeLimits(poll=20_000, log_records_max=3))
    execution_id, _ = await run(service, PRINT, [False])
    assert await site.lines(execution_id) == ["0", "1", FULL]


async def test_each_attempt_has_its_own_records_and_its_own_bound(site: Any, run: Any) -> None:
    limits = RuntimeLimits(poll=20_000, log_records_max=2)
    service = await site.start(printer(ComponentKind.ACTIVITY), limits=limits)
    execution_id, outcome = await run(service, PRINT, [True])
    assert isinstance(outcome, ev.Failed)
    records = [record for _, record in await site.store.read_logs(ExecutionId(execution_id))]
    assert [(record.run, record.level.value, record.source, record.message) for record in records] == [
        (1, "warn", "stderr", "0"),
        (1, "warn", "host", FULL),
        (2, "warn", "stderr", "0"),
        (2, "warn", "host", FULL),
    ]
