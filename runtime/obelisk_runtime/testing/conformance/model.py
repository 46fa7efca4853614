"""Any sequence of moves: the store against the model (memory), as hypothesis finds it and as one seed gives it."""

import asyncio
import random  # noqa: TID251 - seeded: the seed reproduces the run
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from obelisk_runtime.ports.store import Store
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.testing.backends import Backend
from obelisk_runtime.testing.conformance.play import MOVES, Move, Play

NUMBERS = st.integers(min_value=0, max_value=2**16)
SETTINGS = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
)
MOVES_OF_A_SEED = 200


class _Machine(RuleBasedStateMachine):
    """One store of the backend and one model, in a loop of their own."""

    backend: ClassVar[Backend]
    folder: ClassVar[Path]
    opened: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).opened += 1
        folder = self.folder / str(self.opened)
        folder.mkdir()
        self._runner = asyncio.Runner()
        self._store: Store = self._runner.run(_open(self.backend, folder))
        self._play = Play(MemoryStore(), self._store)

    @rule(move=st.sampled_from(MOVES), a=NUMBERS, b=NUMBERS)
    def move(self, move: Move, a: int, b: int) -> None:
        self._runner.run(self._play.move(move, a, b))

    def teardown(self) -> None:
        self._runner.run(self._store.close())
        self._runner.close()


async def _open(backend: Backend, folder: Path) -> Store:
    return await backend.open(folder, None)


class TestModel:
    def test_any_sequence_of_moves_answers_and_holds_what_the_model_does(
        self, backend: Backend, tmp_path: Path
    ) -> None:
        machine = type("Machine", (_Machine,), {"backend": backend, "folder": tmp_path})
        run_state_machine_as_test(machine, settings=SETTINGS)


class TestDifferential:
    pytestmark = pytest.mark.asyncio

    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_a_seeded_sequence_ends_the_same_on_both(self, raw_store: Store, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - not for secrets
        play = Play(MemoryStore(), raw_store)
        for _ in range(MOVES_OF_A_SEED):
            await play.move(chance.choice(MOVES), chance.randrange(2**16), chance.randrange(2**16))
