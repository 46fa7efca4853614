"""The tests of Go's package `os`, which others wrote, on our WASI."""

import asyncio
import importlib.util
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from obelisk_runtime import wasi
from obelisk_runtime.core.deployment import Access, DirectoryGrant
from obelisk_runtime.core.guest_outcomes import Trapped
from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.engine import GuestLimits
from obelisk_runtime.testing.world import ScriptedWorld

RUN = Ffqn.parse("wasi:cli/run@0.2.3.run")
SKIPPED = (
    "^TestRootMulti",  # thousands of combinations
    "Network",  # there is none
    "DevNull",  # there are no devices
    "^TestCopyFileToFile$",  # copies for seconds
    "^TestFileRead(dir|Dir|dirnames)$/^sysdir$",  # wants files that the distribution of Go leaves out
)
SOME_THAT_PASS = (
    *("TestReadAt", "TestWriteAt", "TestSeek", "TestTruncate", "TestAppend", "TestChtimes", "TestRename", "TestLstat"),
    *("TestMkdirAll", "TestRemoveAll", "TestDirFS", "TestCopyFS", "TestReadFile", "TestFileReadDir", "TestHardLink"),
    *("TestRootOpen_File", "TestRootCreate", "TestRootMkdir", "TestRootRemoveAll", "TestRootLstat"),
)
DEADLINE_SECONDS = 300


@dataclass
class Context:
    wasi: wasi.WasiState


class RealTime(ScriptedWorld):
    """Files have the times of this machine, so clocks must agree with it."""

    def monotonic(self) -> int:
        return time.monotonic_ns()

    def wall_clock(self) -> Instant:
        return Instant(time.time_ns() // 1_000)

    async def wait(self, nanoseconds: int) -> None:
        await asyncio.sleep(nanoseconds / 1e9)


def world(root: Path) -> RealTime:
    """A file system of its own, and Go's sources, which the tests read."""
    spec = importlib.util.find_spec("go")
    assert spec is not None
    assert spec.origin is not None
    go = str(Path(spec.origin).parent)
    (root / "tmp").mkdir()
    arguments = f"os.test -test.v -test.short -test.skip={'|'.join(SKIPPED)}"
    variables = [("ARGUMENTS", arguments), ("PWD", f"{go}/src/os"), ("TMPDIR", "/tmp"), ("GOROOT", go)]
    grants = [DirectoryGrant(str(root), "/", Access.READ_WRITE), DirectoryGrant(go, go, Access.READ_ONLY)]
    return RealTime(variables, directories=grants)


async def test_the_tests_of_the_go_package_os_pass(
    built: Callable[[str], bytes], compiled: Path, tmp_path: Path
) -> None:
    engine = WasmtimeEngine(compiled, EngineSettings(guests_max=2))
    component = await engine.compile(built("go_os_tests"))
    binding = wasi.bind(component)
    seen = world(tmp_path)
    linked = component.link(binding.functions, binding.destructors)
    call = linked.start(RUN, (), Context(wasi.WasiState(seen)), GuestLimits())
    async with asyncio.timeout(DEADLINE_SECONDS):
        outcome = call.poll() or await call.wait()
    await engine.close()
    output = seen.text("stdout")
    assert isinstance(outcome, Trapped)
    assert outcome.message.startswith("the guest called exit with success, and so has no result"), output
    assert re.findall(r"^--- FAIL: .*", output, re.MULTILINE) == []
    passed = set(re.findall(r"^--- PASS: (\w+)", output, re.MULTILINE))
    assert set(SOME_THAT_PASS) - passed == set()
