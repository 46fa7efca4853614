"""The real server, but that it kills itself at a commit, and notes outside of its store which guests it starts.

    crashing_server.py CONFIG NOTES COMMITS WHERE

COMMITS: at which commit of this process it dies, 0 for never. WHERE: `before` that commit is made, or `after` it. Each
line of the file NOTES is a guest call: execution, function and arguments as JSON.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from obelisk_runtime.engine import WasmtimeEngine
from obelisk_runtime.ports.store import Store
from obelisk_runtime.storage.sqlite import SqliteStore
from obelisk_server import compose


class NotingEngine:
    def __init__(self, engine: WasmtimeEngine, notes: int) -> None:
        self._engine = engine
        self._notes = notes

    async def compile(self, wasm: bytes) -> Any:
        return _NotingComponent(await self._engine.compile(wasm), self._notes)

    async def close(self) -> None:
        await self._engine.close()


class _NotingComponent:
    def __init__(self, compiled: Any, notes: int) -> None:
        self._compiled = compiled
        self._notes = notes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiled, name)

    def link(self, functions: Mapping[Any, Any], destructors: Mapping[Any, Any]) -> "_NotingLinked":
        return _NotingLinked(self._compiled.link(functions, destructors), self._notes)


class _NotingLinked:
    def __init__(self, linked: Any, notes: int) -> None:
        self._linked = linked
        self._notes = notes

    def start(self, function: Any, arguments: tuple[Any, ...], context: Any, limits: Any) -> Any:
        line = json.dumps([context.execution_id, function.text, arguments]) + "\n"
        os.write(self._notes, line.encode())
        return self._linked.start(function, arguments, context, limits)


def fatal(commits: int, where: str) -> Any:
    """A hook that kills this process at so many commits."""
    begun = 0

    def hook(place: str) -> None:
        nonlocal begun
        begun += place == "commit"
        if (place == "commit" and begun == commits) if where == "before" else (place == "begin" and begun == commits):
            os.kill(os.getpid(), signal.SIGKILL)

    return hook if commits else None


def main() -> None:
    config, notes, commits, where = sys.argv[1:]
    file = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    build = compose._engine

    def engine(*args: Any) -> Any:
        return NotingEngine(build(*args), file)

    async def open_store(database: Path) -> Store:
        return await SqliteStore.open(database, hook=fatal(int(commits), where))

    compose._engine = engine  # type: ignore[assignment]
    compose._open_store = open_store
    compose.run(Path(config), os.environ)


if __name__ == "__main__":
    main()
