"""A crash before any statement or commit leaves all of a call or nothing of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.decisions import LOST
from obelisk_runtime.core.retry import LOSSES_MAX
from obelisk_runtime.ports.store import Store
from obelisk_runtime.testing.backends import Backend
from obelisk_runtime.testing.clock import START
from obelisk_runtime.testing.conformance.catalog import read, record
from obelisk_runtime.testing.conformance.checks import check, dump
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITIES,
    DIGEST,
    LATER,
    ONE,
    TWO,
    WORKFLOWS,
    activity,
    decide,
    locked,
    numbered,
    running_workflow,
    waiting_workflow,
)
from obelisk_runtime.testing.conformance.trees import delays_of, finished_tree, tree_of

Write = Callable[[Store], Awaitable[object]]


class Crash(Exception):
    """What the hook raises."""


class CrashingHook:
    """Counts the places it is called at, and crashes at one of them if told to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._crash_at: int | None = None

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) - 1 == self._crash_at:
            raise Crash(name)

    def arm(self, crash_at: int | None) -> None:
        self.names = []
        self._crash_at = crash_at


@dataclass(frozen=True, slots=True)
class Scene:
    """A write in its setting: `prepare` builds the setting and gives the write, which is to be made once."""

    name: str
    prepare: Callable[[Store], Awaitable[Write]]


async def creating(store: Store) -> Write:
    await store.create(activity(numbered(1)))
    return lambda store: store.create(activity(numbered(2), tags={"a": "b", "c": "d"}))


async def appending(store: Store) -> Write:
    parent = await running_workflow(store)
    decision = await decide(store, parent)
    join_set = decision.join_set()
    for _ in range(2):
        decision.submit(join_set)
        decision.submit_delay(join_set, LATER)
    decision.await_next(join_set)
    append = replace(decision.append, scheduled=[activity(numbered(3))])
    return lambda store: store.append(append)


async def responding(store: Store) -> Write:
    _, child = await waiting_workflow(store)
    await store.lock_pending(START, TWO, [ACTIVITIES])
    decision = (await decide(store, child)).finish()
    return lambda store: store.append(decision.append)


async def locking(store: Store) -> Write:
    await waiting_workflow(store)
    await store.create(activity(numbered(2)))
    await store.create(activity(numbered(3)))
    return lambda store: store.lock_pending(START, TWO, [ACTIVITIES, WORKFLOWS])


async def sleeping(store: Store) -> None:
    for number in (1, 2):
        decision = await decide(store, await running_workflow(store, number))
        decision.sleep(START)
        await store.append(decision.append)


async def firing(store: Store) -> Write:
    await sleeping(store)
    return lambda store: store.fire_delays(START, 10)


async def cancelling(store: Store) -> Write:
    decision = await decide(store, await running_workflow(store))
    delay = decision.sleep(LATER)
    await store.append(decision.append)
    return lambda store: store.cancel_delay(delay, START)


async def taking_over(store: Store) -> Write:
    """A workflow, an activity to be tried again, and a lost one that is given up and responds."""
    _, child = await waiting_workflow(store)
    await store.create(locked(activity(numbered(2)), ONE))
    decision = await decide(store, child)
    for attempt in range(LOSSES_MAX):
        decision.life(ev.Locked(executor=ONE, attempt=attempt + 1), ev.AttemptLost(reason=LOST, due=START, died=True))
    await store.append(decision.life(ev.Locked(executor=ONE, attempt=LOSSES_MAX + 1)).append)
    return lambda store: store.take_over(LATER, silent_since=LATER, living=TWO)


async def retiring(store: Store) -> Write:
    await waiting_workflow(store)
    await store.create(locked(activity(numbered(2)), ONE))
    return lambda store: store.retire(ONE, LATER)


async def logging(store: Store) -> Write:
    await store.create(activity(numbered(1)))
    return lambda store: store.write_logs([record(numbered(1), 1, ordinal) for ordinal in range(3)])


async def keeping(store: Store) -> Write:  # noqa: ARG001 - the form of all scenes
    return lambda store: store.put_component(DIGEST, b"bytes")


async def grafting(store: Store) -> Write:
    top = await finished_tree(store)
    rows = await dump(store)
    tree = [replace(one, logs=[record(one.id, 1, 0)]) for one in tree_of(rows, top, delays_of(rows, top))]
    await store.prune([top], LATER)
    while await store.sweep(1_000):
        pass
    return lambda store: store.graft(tree)


async def pruning(store: Store) -> Write:
    tops = [await finished_tree(store, number) for number in (1, 2)]
    return lambda store: store.prune(tops, LATER)


async def sweeping(store: Store) -> Write:
    await store.prune([await finished_tree(store)], LATER)
    return lambda store: store.sweep(1_000)


async def holding(store: Store) -> Write:
    top = await finished_tree(store)
    return lambda store: store.hold(top, held=True)


SCENES = [
    Scene(prepare.__name__, prepare)
    for prepare in (
        creating, appending, responding, locking, firing, cancelling, taking_over, retiring, logging, keeping,
        grafting, pruning, sweeping, holding,
    )
]  # fmt: skip


async def state(store: Store) -> object:
    """Everything that a call can change and that can be read without changing it."""
    rows = await dump(store)
    check(rows)
    logs = {execution_id: await read(store, execution_id) for execution_id in rows}
    held = {execution_id: await store.is_held(execution_id) for execution_id in rows}
    return rows, logs, held, await store.next_due(), await store.get_component(DIGEST)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
class TestAtomicity:
    pytestmark = pytest.mark.asyncio

    async def test_a_crash_anywhere_leaves_nothing_and_the_write_can_be_made_again(
        self, backend: Backend, tmp_path: Path, scene: Scene
    ) -> None:
        after, places = await _undisturbed(backend, tmp_path / "undisturbed", scene)
        for place in range(places):
            hook = CrashingHook()
            store = await backend.open(_new(tmp_path / str(place)), hook)
            write = await scene.prepare(store)
            before = await state(store)
            hook.arm(place)
            with pytest.raises(Exception):  # noqa: B017 - what a broken disk looks like is the backend's own
                await write(store)
            hook.arm(None)
            assert await state(store) == before, hook.names
            await write(store)
            assert await state(store) == after
            await store.close()

    async def test_a_crash_anywhere_leaves_nothing_in_the_store_that_is_opened_next(
        self, backend: Backend, tmp_path: Path, scene: Scene
    ) -> None:
        if not backend.durable:
            pytest.skip(f"{backend.name} keeps nothing")
        after, places = await _undisturbed(backend, tmp_path / "undisturbed", scene)
        for place in range(places):
            folder = _new(tmp_path / str(place))
            hook = CrashingHook()
            store = await backend.open(folder, hook)
            write = await scene.prepare(store)
            before = await state(store)
            hook.arm(place)
            await asyncio.gather(write(store), return_exceptions=True)
            await store.close()
            store = await backend.open(folder, None)
            assert await state(store) == before
            await write(store)
            assert await state(store) == after
            await store.close()

    async def test_of_writes_made_together_each_is_whole_or_not_at_all(
        self, backend: Backend, tmp_path: Path, scene: Scene
    ) -> None:
        """What is acknowledged is there, what is refused is not, whatever they shared."""
        _, places = await _undisturbed(backend, tmp_path / "undisturbed", scene)
        for place in range(3 * places):
            hook = CrashingHook()
            store = await backend.open(_new(tmp_path / str(place)), hook)
            write = await scene.prepare(store)
            hook.arm(place)
            first, _, last = await asyncio.gather(
                store.create(activity(numbered(101))),
                write(store),
                store.create(activity(numbered(102))),
                return_exceptions=True,
            )
            hook.arm(None)
            rows = await dump(store)
            check(rows)
            assert (numbered(101) in rows) == (not isinstance(first, BaseException))
            assert (numbered(102) in rows) == (not isinstance(last, BaseException))
            await store.close()


async def _undisturbed(backend: Backend, folder: Path, scene: Scene) -> tuple[object, int]:
    """(the state after the write, at how many places it can crash)."""
    if not backend.hooks:
        pytest.skip(f"{backend.name} has no hooks")
    hook = CrashingHook()
    store = await backend.open(_new(folder), hook)
    write = await scene.prepare(store)
    hook.arm(None)
    await write(store)
    places = len(hook.names)
    assert places > 0
    after = await state(store)
    await store.close()
    return after, places


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
