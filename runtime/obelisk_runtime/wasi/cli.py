"""wasi:cli: environment, standard streams and exit. No arguments, no working directory, no terminal."""

from typing import NoReturn

from obelisk_runtime.ports.engine import GuestExit, Value
from obelisk_runtime.ports.guest import GuestWorld
from obelisk_runtime.wasi.state import Interfaces, WasiState
from obelisk_runtime.wasi.streams import InputStream, OutputStream

WRITE_BYTES_MAX = 2 * 1024 * 1024
"""What `check-write` of a standard stream permits; more in one write traps, as the interface demands.

As much as fits well into one host call: unbuffered guests (Python's standard output) lose what goes beyond it.
"""


class StandardOutput(OutputStream):
    """What a guest writes goes to its world at once: it is always ready and nothing is left to flush."""

    __slots__ = ("_source", "_world")

    def __init__(self, world: GuestWorld, source: str) -> None:
        super().__init__()
        self._world = world
        self._source = source

    def room(self) -> int:
        return WRITE_BYTES_MAX

    def write(self, contents: bytes) -> None:
        self._world.write(self._source, contents)


def get_environment(state: WasiState) -> Value:
    return [list(pair) for pair in state.world.environment()]


def get_arguments(_: WasiState) -> list[str]:
    return []


def initial_cwd(_: WasiState) -> None:
    return None


def get_stdin(state: WasiState) -> int:
    return state.add(InputStream())


def get_stdout(state: WasiState) -> int:
    return state.add(StandardOutput(state.world, "stdout"))


def get_stderr(state: WasiState) -> int:
    return state.add(StandardOutput(state.world, "stderr"))


def no_terminal(_: WasiState) -> None:
    return None


def exit_with_status(_: WasiState, status: Value) -> NoReturn:
    raise GuestExit(ok="ok" in status)


def exit_with_code(_: WasiState, status_code: int) -> NoReturn:
    raise GuestExit(ok=status_code == 0, code=status_code)


INTERFACES: Interfaces = {
    "environment": {
        "get-environment: func() -> list<tuple<string, string>>": get_environment,
        "get-arguments: func() -> list<string>": get_arguments,
        "initial-cwd: func() -> option<string>": initial_cwd,
    },
    "exit": {
        "exit: func(status: result)": exit_with_status,
        "exit-with-code: func(status-code: u8)": exit_with_code,
    },
    "stdin": {"get-stdin: func() -> own<input-stream>": get_stdin},
    "stdout": {"get-stdout: func() -> own<output-stream>": get_stdout},
    "stderr": {"get-stderr: func() -> own<output-stream>": get_stderr},
    "terminal-input": {},
    "terminal-output": {},
    "terminal-stdin": {"get-terminal-stdin: func() -> option<own<terminal-input>>": no_terminal},
    "terminal-stdout": {"get-terminal-stdout: func() -> option<own<terminal-output>>": no_terminal},
    "terminal-stderr": {"get-terminal-stderr: func() -> option<own<terminal-output>>": no_terminal},
}
