"""kill -9 of the real server at chosen commits, again and again over one store; then what must be true of it all."""

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import ExecutionFilter, Store
from obelisk_runtime.storage.sqlite import SqliteStore
from server_process import SOAK

REPOSITORY = Path(__file__).resolve().parents[2]
SERVER = Path(__file__).with_name("crashing_server.py")
DEADLINE_SECONDS = 240
COMPONENTS = {
    "activity": ("fibo_tiny", "recorder", "flaky"),
    "workflow": ("fibo_workflow_tiny", "dice", "sleeper"),
}
FIBOA = "testing:fibo-workflow/workflow.fiboa"
ROLL = "testing:dice/dice.roll"
SLEEP = "testing:sleeper/sleeper.sleep"
RUN = "testing:flaky/flaky.run"
COMMITS = (9, 10, 12, 15, 20)
BEFORE = [(commits, ("before", "after")[place % 2]) for place, commits in enumerate(COMMITS)]
AFTER = [(commits, ("after", "before")[place % 2]) for place, commits in enumerate(COMMITS)]
"""Each process dies at so many of its commits; the first eight are those of its start."""


@dataclass(frozen=True)
class Work:
    id: str
    function: str
    params: Sequence[Any]
    value: Any
    """What it must return; None where that is random."""


@dataclass
class Life:
    """One process of the server."""

    process: "subprocess.Popen[str]"
    url: str = ""

    def post(self, work: Work, wait: float) -> dict[str, Any]:
        body = {"function": work.function, "params": work.params, "id": work.id, "wait": wait}
        request = urllib.request.Request(
            f"{self.url}/v1/executions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
            return json.load(answer)

    def end(self) -> int:
        assert self.process.stdout is not None
        code = self.process.wait(DEADLINE_SECONDS)
        self.process.stdout.close()
        return code


@dataclass
class Site:
    """A folder with obelisk.toml, a store, and the notes of all processes that ran here."""

    folder: Path
    cache: Path
    lives: list[Life] = field(default_factory=list)

    def start(self, commits: int = 0, where: str = "before") -> Life:
        with (self.folder / "server.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, SERVER, "obelisk.toml", "notes", str(commits), where],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.cache)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        life = Life(process)
        self.lives.append(life)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving on "), (self.folder / "server.log").read_text()[-2000:]
        life.url = line.removeprefix("serving on ").strip()
        return life

    @property
    def database(self) -> Path:
        return self.folder / ".obelisk" / "obelisk.db"

    def notes(self) -> list[tuple[str, str, str]]:
        """Guest calls that began: (execution, function, arguments)."""
        notes = self.folder / "notes"
        lines = notes.read_text().splitlines() if notes.exists() else []
        return [(id_, function, json.dumps(arguments)) for id_, function, arguments in map(json.loads, lines)]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [name for names in COMPONENTS.values() for name in names]
    subprocess.run([sys.executable, "components/build.py", *names], cwd=REPOSITORY, check=True, capture_output=True)
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def site(tmp_path: Path, cache: Path) -> Iterator[Site]:
    tables = [
        f'[[{kind}]]\nname = "{name}"\nlocation = "{REPOSITORY}/build/components/{name}.wasm"\n'
        for kind, names in COMPONENTS.items()
        for name in names
    ]
    (tmp_path / "obelisk.toml").write_text(
        '[server]\nlisten = "127.0.0.1:0"\n[limits]\ndeaths_max = 1000\n' + "".join(tables)
    )
    site = Site(tmp_path, cache)
    yield site
    for life in site.lives:
        life.process.kill()
        life.end()


def id_of(number: int) -> str:
    return f"E_01J0000000000000000000{number:04}"


def in_series(iterations: int) -> list[Work]:
    return [Work(id_of(0), FIBOA, [10, iterations], 89)]


def many(count: int) -> list[Work]:
    """Workflows of three steps, and of one whose parameter is drawn at random."""
    series = [Work(id_of(number), FIBOA, [number % 12, 3], fibo(number % 12)) for number in range(0, count, 2)]
    return series + [Work(id_of(number), ROLL, [f"k{number}"], None) for number in range(1, count, 2)]


def fibo(n: int) -> int:
    return 1 if n < 2 else fibo(n - 1) + fibo(n - 2)


@pytest.mark.parametrize(
    ("works", "lives"),
    [(in_series(150), BEFORE + AFTER * SOAK), (many(120), AFTER + BEFORE * SOAK)],
    ids=["W1", "W3"],
)
def test_killed_again_and_again_everything_ends_once_with_the_right_result(
    site: Site, works: list[Work], lives: list[tuple[int, str]]
) -> None:
    interrupted = 0
    deaths: list[tuple[set[str], int]] = []
    """What had ended at each death, and how many guest calls had begun."""
    asleep: list[ev.DelaySubmitted] = []
    nap = Work(id_of(9999), SLEEP, [1500], None)
    for commits, where in lives:
        life = site.start(commits, where)
        with Pushing(life, [nap, *works]):
            assert life.end() == -signal.SIGKILL
        ended = asyncio.run(site_ended(site))
        interrupted += len(ended & {work.id for work in works}) < len(works)
        asleep += asyncio.run(naps(site, nap.id))
        deaths.append((ended, len(site.notes())))
    assert interrupted == len(lives), "the work was done before the last kill: it is too short"
    life = site.start()
    answers = {work.id: life.post(work, DEADLINE_SECONDS) for work in [nap, *works]}
    for work in works:
        result = answers[work.id]["result"]
        assert result.keys() == {"ok"}
        assert work.value in (None, result["ok"])
    life.process.send_signal(signal.SIGTERM)
    assert life.end() == 0
    notes = site.notes()
    for ended, begun in deaths:
        assert not ended & {id_ for id_, *_ in notes[begun:]}, "what had ended was run again"
    attempts = Counter(id_ for id_, *_ in set(notes))
    assert set(attempts.values()) == {1}, "an execution was run with other parameters than before"
    assert len({delay.wakes for delay in asleep}) == 1, "the sleep did not span a kill, or did not keep its time"
    asyncio.run(assert_sound(site, len(works)))


class Pushing:
    """Submits all of it, again where a connection breaks, until the server is gone."""

    def __init__(self, life: Life, works: Sequence[Work]) -> None:
        self._life = life
        self._works = works
        self._pool = ThreadPoolExecutor(8)

    def __enter__(self) -> None:
        for work in self._works:
            self._pool.submit(self._push, work)

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _push(self, work: Work) -> None:
        with suppress(OSError, http.client.HTTPException):  # the server died
            self._life.post(work, wait=0 if len(self._works) < 3 or work.function == SLEEP else 5)


async def site_ended(site: Site) -> set[str]:
    store = await SqliteStore.open(site.database)
    try:
        return {item.id for item in await everything(store) if isinstance(item.projection.status, proj.Finished)}
    finally:
        await store.close()


async def everything(store: Store) -> list[Any]:
    items: list[Any] = []
    cursor = None
    while True:
        page = await store.list(ExecutionFilter(top_level_only=False), cursor=cursor, limit=1000)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items


async def naps(site: Site, id_: str) -> list[ev.DelaySubmitted]:
    store = await SqliteStore.open(site.database)
    try:
        if all(item.id != id_ for item in await everything(store)):
            return []
        log = await store.log(ExecutionId(id_))
        return [entry.event for entry in log if isinstance(entry.event, ev.DelaySubmitted)]
    finally:
        await store.close()


async def assert_sound(site: Site, count: int) -> None:
    """Each execution has ended once, and what is stored beside the logs is their fold."""
    store = await SqliteStore.open(site.database)
    try:
        items = await everything(store)
        assert sum("." not in item.id for item in items) == count + 1
        for item in items:
            log = await store.log(item.id)
            responses = await store.responses(item.id)
            assert sum(isinstance(entry.event, ev.Finished) for entry in log) == 1
            assert fold(item.id, log, responses) == item.projection
            assert len({response.id for response in responses}) == len(responses)
    finally:
        await store.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_work_ends_the_server_in_order_and_the_next_one_goes_on(site: Site, number: int) -> None:
    (work,) = in_series(2_000)
    life = site.start()
    life.post(work, wait=0)
    wait_for_notes(site, 50)
    life.process.send_signal(number)
    assert life.end() == 0
    begun = [id_ for id_, function, _ in site.notes() if "fibo/fibo" in function]
    assert len(begun) < 2_000, "the signal came too late"
    life = site.start()
    assert life.post(work, wait=DEADLINE_SECONDS)["result"] == {"ok": 89}
    begun = [id_ for id_, function, _ in site.notes() if "fibo/fibo" in function]
    assert len(begun) == len(set(begun)) == 2_000, "a clean shutdown runs nothing twice"


def wait_for_notes(site: Site, count: int) -> None:
    for _ in range(DEADLINE_SECONDS * 50):
        if len(site.notes()) >= count:
            return
        time.sleep(0.02)
    raise AssertionError("nothing runs")


def test_a_second_server_on_the_same_file_is_refused_and_the_first_one_goes_on(site: Site) -> None:
    life = site.start()
    second = subprocess.run(
        [sys.executable, SERVER, "obelisk.toml", "notes", "0", "before"],
        cwd=site.folder, env={"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(site.cache)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert second.returncode != 0
    assert "obelisk.db" in second.stderr
    assert life.post(in_series(3)[0], wait=DEADLINE_SECONDS)["result"] == {"ok": 89}
