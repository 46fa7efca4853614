"""wasi:cli: environment, standard streams and exit. No arguments, no working directory, no terminal."""

from typing import NoReturn

from obelisk_runtime.ports.engine import GuestExit, Value
from obelisk_runtime.wasi.io import InputStream, OutputStream
from obelisk_runtime.wasi.state import Interfaces, WasiState


def get_environment(state: WasiState) -> Value:
    return [list(pair) for pair in state.world.environment()]


def get_arguments(_: WasiState) -> list[str]:
    return []


def initial_cwd(_: WasiState) -> None:
    return None


def get_stdin(state: WasiState) -> int:
    return state.add(InputStream())


def get_stdout(state: WasiState) -> int:
    return state.add(OutputStream("stdout"))


def get_stderr(state: WasiState) -> int:
    return state.add(OutputStream("stderr"))


def exit_with_status(_: WasiState, status: Value) -> NoReturn:
    raise GuestExit(ok="ok" in status)


def exit_with_code(_: WasiState, status_code: int) -> NoReturn:
    raise GuestExit(ok=status_code == 0)


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
    "terminal-stdin": {},
    "terminal-stdout": {},
    "terminal-stderr": {},
}
