"""A real `obelisk server run` in a process of its own, with default settings and tiny components."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from client import Connection, get

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCTS = REPOSITORY / "build" / "components"
START_SECONDS = 600.0
STOP_SECONDS = 300.0

TINY = {
    "activity": (PRODUCTS / "fibo_tiny.wasm",),
    "workflow": (PRODUCTS / "fibo_workflow_tiny.wasm", PRODUCTS / "sleeper.wasm"),
}
Components = Mapping[str, tuple[Path, ...]]


class NotStarted(Exception):
    """The server did not come up; the message is its log."""


class Server:
    """One process on a folder; stopped or killed, it can be started on it again."""

    def __init__(
        self, folder: Path, components: Components = TINY, limits: Mapping[str, int] | None = None, more: str = ""
    ) -> None:
        """`more`: what else is in obelisk.toml."""
        self.folder = folder
        folder.mkdir(parents=True)
        lines = ["[server]", 'listen = "127.0.0.1:0"']
        if limits:
            lines += ["[limits]", *(f"{name} = {value}" for name, value in limits.items())]
        for kind, paths in components.items():
            for path in paths:
                lines += [f"[[{kind}]]", f'name = "{path.stem}"', f'location = "{path}"']
        (folder / "obelisk.toml").write_text("\n".join(lines) + "\n" + more)
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def database(self) -> Path:
        return self.folder / ".obelisk" / "obelisk.db"

    def start(self) -> None:
        """Returns when it serves. Raises: NotStarted."""
        output = self.folder / "output"
        obelisk = Path(sys.executable).with_name("obelisk")
        with output.open("wb") as to:
            self._process = subprocess.Popen([obelisk, "server", "run"], cwd=self.folder, stdout=to, stderr=to)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            _, found, address = output.read_text().partition("serving on http://")
            if found and "\n" in address:
                self.port = int(address.split("\n")[0].rpartition(":")[2])
                return
            time.sleep(0.002)
        self.kill()
        raise NotStarted(output.read_text())

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(STOP_SECONDS)

    def connect(self) -> Connection:
        return Connection(self.port)

    def executions(self, query: str) -> Iterator[dict[str, Any]]:
        """All that a list has, page by page."""
        connection, cursor = self.connect(), ""
        while cursor is not None:
            page = connection.ask(get(f"/v1/executions?{query}&limit=500{cursor and '&cursor=' + cursor}"))
            yield from page["items"]
            cursor = page["next_cursor"]
        connection.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Processor time of all its threads, to the nanosecond, unlike that in `stat`."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def memory_bytes(self) -> int:
        """Resident, or swapped out by the kernel."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("VmRSS:", "VmSwap:")))


class Servers:
    """Servers on fresh folders below one folder, all gone at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0

    @contextmanager
    def run(
        self, components: Components = TINY, limits: Mapping[str, int] | None = None, more: str = ""
    ) -> Generator[Server]:
        with self.prepared(components, limits, more) as server:
            server.start()
            yield server

    @contextmanager
    def prepared(
        self, components: Components = TINY, limits: Mapping[str, int] | None = None, more: str = ""
    ) -> Generator[Server]:
        """One that is not started yet."""
        self._count += 1
        server = Server(self.folder / str(self._count), components, limits, more)
        try:
            yield server
        finally:
            server.kill()
            shutil.rmtree(server.folder)
