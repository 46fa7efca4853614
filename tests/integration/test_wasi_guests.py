"""Ordinary Python guests on the real engine, in a world that is scripted."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from obelisk_runtime import wasi
from obelisk_runtime.core.deployment import Access, DirectoryGrant
from obelisk_runtime.core.guest_outcomes import Dropped, GuestOutcome, Returned, Trapped
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.engine import EngineSettings, WasmtimeEngine
from obelisk_runtime.ports.engine import GuestCall, GuestLimits
from obelisk_runtime.testing.world import ScriptedWorld

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = Ffqn.parse("testing:script/script.run")
SECOND = 1_000_000_000


@dataclass
class Context:
    wasi: wasi.WasiState


Start = Callable[[ScriptedWorld, str], GuestCall]
Run = Callable[[ScriptedWorld, str], Awaitable[GuestOutcome]]


@pytest.fixture(scope="module")
def component() -> bytes:
    subprocess.run([sys.executable, "components/build.py", "script"], cwd=REPOSITORY, check=True, capture_output=True)
    return (REPOSITORY / "build" / "components" / "script.wasm").read_bytes()


@pytest.fixture
async def start(component: bytes, compiled: Path) -> AsyncIterator[Start]:
    """Start Python text as a guest in a world."""
    engine = WasmtimeEngine(compiled, EngineSettings(guests_max=4))
    script = await engine.compile(component)
    binding = wasi.bind(script)
    linked = script.link(binding.functions, binding.destructors)

    def start(world: ScriptedWorld, source: str) -> GuestCall:
        context = Context(wasi.WasiState(world))
        started.append(context)
        return linked.start(RUN, (source,), context, GuestLimits())

    started: list[Context] = []
    yield start
    for context in started:
        context.wasi.close()
    await engine.close()


@pytest.fixture
def run(start: Start) -> Run:
    async def run(world: ScriptedWorld, source: str) -> GuestOutcome:
        call = start(world, source)
        return call.poll() or await call.wait()

    return run


@pytest.fixture
def world() -> ScriptedWorld:
    return ScriptedWorld([("GREETING", "hello"), ("UMLAUT", "ä")])


def ok(answer: object) -> Returned:
    return Returned({"ok": str(answer)})


async def test_print_reaches_the_world_once_and_in_order(run: Run, world: ScriptedWorld) -> None:
    source = "print('one'); print('zwei ä'); print('warned', file=sys.stderr); print('half', end='', flush=True)"
    assert await run(world, source) == ok(None)
    assert world.text("stdout") == "one\nzwei ä\nhalf"
    assert world.text("stderr") == "warned\n"


async def test_a_megabyte_can_be_printed(run: Run, world: ScriptedWorld) -> None:
    assert await run(world, "print('x' * 1_000_000); sys.stdout.flush()") == ok(None)
    assert world.text("stdout") == "x" * 1_000_000 + "\n"


async def test_an_exception_of_a_guest_is_its_error_and_its_output_stays(run: Run, world: ScriptedWorld) -> None:
    outcome = await run(world, "print('before'); 1 / 0")
    assert outcome == Returned({"err": "ZeroDivisionError: division by zero"})
    assert world.text("stdout") == "before\n"


async def test_clocks_are_those_of_the_world(run: Run, world: ScriptedWorld) -> None:
    assert await run(world, "answer = time.time_ns()") == ok(1_700_000_000_123_456_000)
    assert await run(world, "answer = datetime.datetime.now().isoformat()") == ok("2023-11-14T22:13:20.123456")


async def test_sleep_waits_through_the_world(run: Run, world: ScriptedWorld) -> None:
    source = "before = time.monotonic_ns(); time.sleep(3600); answer = time.monotonic_ns() - before"
    assert await run(world, source) == ok(3600 * SECOND)
    assert world.waits == [3600 * SECOND]


async def test_a_guest_that_sleeps_can_be_dropped_at_any_time(start: Start, world: ScriptedWorld) -> None:
    at_once, asleep = start(world, "time.sleep(1)"), start(world, "time.sleep(2)")
    assert at_once.poll() is None
    at_once.drop()
    assert asleep.poll() is None
    await asyncio.sleep(0)
    asleep.drop()
    assert [await call.wait() for call in (at_once, asleep)] == [Dropped(), Dropped()]
    gc.collect()


async def test_randomness_is_that_of_the_world(run: Run, world: ScriptedWorld) -> None:
    source = "answer = os.urandom(8).hex(), secrets.token_hex(4), random.SystemRandom().random()"
    first = await run(ScriptedWorld(seed=1), source)
    assert first == await run(ScriptedWorld(seed=1), source)
    assert first != await run(ScriptedWorld(seed=2), source)


async def test_the_environment_is_the_worlds_alone(run: Run, world: ScriptedWorld) -> None:
    assert await run(world, "answer = sorted(os.environ.items())") == ok(
        [("GREETING", "hello"), ("UMLAUT", "ä")],
    )


async def test_there_is_no_file_no_network_no_input_and_no_terminal(run: Run, world: ScriptedWorld) -> None:
    attempts = {
        "open('/etc/passwd')": "FileNotFoundError",
        "open('new', 'w')": "FileNotFoundError",
        "os.listdir('/')": "FileNotFoundError",
        "socket.getaddrinfo(b'localhost', 80)": "PermissionError",
        "socket.socket()": "PermissionError",
        "input()": "EOFError",
    }
    for attempt, error in attempts.items():
        outcome = await run(world, attempt)
        assert isinstance(outcome, Returned), (attempt, outcome)
        assert outcome.value["err"].startswith(error), (attempt, outcome)
    assert await run(world, "answer = sys.stdout.isatty(), sys.stdin.read()") == ok((False, ""))


@pytest.mark.parametrize(("status", "word"), [(0, "success"), (3, "failure")])
async def test_exit_ends_the_call_and_says_so(run: Run, world: ScriptedWorld, status: int, word: str) -> None:
    outcome = await run(world, f"print('last words', flush=True); os._exit({status})")
    assert isinstance(outcome, Trapped)
    assert word in outcome.message
    assert world.text("stdout") == "last words\n"


async def test_two_runs_in_equal_worlds_see_the_same(run: Run) -> None:
    source = """
for round in range(3):
    time.sleep(0.25)
    print(round, time.time(), time.monotonic(), os.urandom(4).hex())
answer = sorted(os.environ), hash("text"), random.random(), secrets.token_hex(8)
"""
    worlds = [ScriptedWorld([("A", "1")], seed=7) for _ in range(2)]
    outcomes = [await run(world, source) for world in worlds]
    assert outcomes[0] == outcomes[1]
    assert isinstance(outcomes[0], Returned)
    assert worlds[0].written == worlds[1].written
    assert worlds[0].waits == worlds[1].waits


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "file").write_text("hello")
    (data / "in").symlink_to("sub")
    (data / "out").symlink_to("/etc/passwd")
    return data


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("answer = open('/data/file').read()", "hello"),
        ("answer = sorted(os.listdir('/data'))", ["file", "in", "out", "sub"]),
        ("answer = [(path, sorted(names)) for path, _, names in os.walk('/data')]", None),
        ("answer = open('/data/new', 'w').write('x' * 300_000); answer = os.path.getsize('/data/new')", 300_000),
        ("open('/data/file', 'a').write(' world'); answer = open('/data/file').read()", "hello world"),
        (
            "f = open('/data/file', 'r+'); f.seek(2); f.write('L'); f.close(); answer = open('/data/file').read()",
            "heLlo",
        ),
        ("os.makedirs('/data/in/x/y'); os.rmdir('/data/sub/x/y'); answer = os.listdir('/data/sub')", ["x"]),
        (
            "os.rename('/data/file', '/data/b'); os.utime('/data/b', (1, 2)); answer = os.stat('/data/b').st_mtime",
            2.0,
        ),
        ("os.symlink('file', '/data/link'); answer = os.readlink('/data/link'), open('/data/link').read()", None),
        ("os.truncate('/data/file', 2); answer = open('/data/file').read()", "he"),
        ("os.chdir('/data'); answer = open('file').read()", "hello"),
    ],
)
async def test_python_works_with_the_files_of_a_directory_that_it_was_granted(
    run: Run, data: Path, source: str, answer: object
) -> None:
    world = ScriptedWorld(directories=[DirectoryGrant(str(data), "/data", Access.READ_WRITE)])
    outcome = await run(world, source)
    assert isinstance(outcome, Returned)
    assert "ok" in outcome.value, outcome
    assert answer is None or outcome == ok(answer)


async def test_python_sees_why_it_may_not(run: Run, data: Path) -> None:
    world = ScriptedWorld(directories=[DirectoryGrant(str(data), "/data", Access.READ_ONLY)])
    attempts = {
        "open('/data/out')": "PermissionError: [Errno 63] Operation not permitted",
        "open('/data/../data/file')": "PermissionError: [Errno 63] Operation not permitted",
        "open('/data/new', 'w')": "OSError: [Errno 69] Read-only file system",
        "open('/data/file', 'a')": "OSError: [Errno 69] Read-only file system",
        "os.unlink('/data/file')": "OSError: [Errno 69] Read-only file system",
        "open('/data/nothing')": "FileNotFoundError",
        "open('/other/file')": "FileNotFoundError",
        "os.listdir('/data/file')": "NotADirectoryError",
        "open('/data/sub')": "IsADirectoryError",
    }
    for attempt, error in attempts.items():
        outcome = await run(world, attempt)
        assert isinstance(outcome, Returned), (attempt, outcome)
        assert outcome.value["err"].startswith(error), (attempt, outcome)
