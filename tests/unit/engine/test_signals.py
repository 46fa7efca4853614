"""A signal that arrives while a host function runs ends nothing by itself."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, os, signal, sys
from wasmtime import wat2wasm
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.engine import GuestLimits

def step(received, arguments):
    if arguments[0] in (3, 5):
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(1000))
    return arguments[0]

async def main():
    received = []
    if {handled}:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, received.append, "interrupt")
    else:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    engine = WasmtimeEngine(settings=EngineSettings(guests_max=64))
    linked = (await engine.compile(bytes(wat2wasm(sys.stdin.read())))).link({{("host:api/steps", "step"): step}}, {{}})
    call = linked.start(Ffqn.parse("test:guest/steps.run"), (10,), received, GuestLimits())
    try:
        print(await call.wait())
    finally:
        while {handled} and not received:
            await asyncio.sleep(0.001)
        print(received, engine.guests)
        await engine.close()

asyncio.run(main())
"""


def run(steps: str, *, handled: bool) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(handled=handled)],
        input=steps, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_handled_interrupt_does_not_touch_the_guest(steps: str) -> None:
    process = run(steps, handled=True)
    assert process.stdout.splitlines()[0] == "Returned(value=45)", process.stderr
    assert process.stdout.splitlines()[1].startswith("['interrupt'")
    assert process.returncode == 0


def test_an_unhandled_interrupt_ends_the_process_in_order(steps: str) -> None:
    process = run(steps, handled=False)
    assert process.stdout.splitlines()[-1] == "[] 0", process.stderr
    assert "KeyboardInterrupt" in process.stderr
    assert process.returncode == -signal.SIGINT
