"""What guests learn of the world they run in."""

import pytest

from obelisk_runtime.ports.engine import GuestExit, GuestTrap
from obelisk_runtime.testing.world import ScriptedWorld
from obelisk_runtime.wasi import WasiState, cli, clocks, random
from obelisk_runtime.wasi.random import RANDOM_BYTES_MAX


async def test_clocks_are_those_of_the_world(state: WasiState, world: ScriptedWorld) -> None:
    assert clocks.wall_now(state) == {"seconds": 1_700_000_000, "nanoseconds": 123_456_000}
    assert clocks.monotonic_now(state) == 0
    await world.wait(2_000_001_000)
    assert clocks.wall_now(state) == {"seconds": 1_700_000_002, "nanoseconds": 123_457_000}
    assert clocks.monotonic_now(state) == 2_000_001_000


def test_the_time_zone_is_utc(state: WasiState) -> None:
    when = clocks.wall_now(state)
    assert clocks.timezone_display(state, when) == {"utc_offset": 0, "name": "UTC", "in_daylight_saving_time": False}
    assert clocks.utc_offset(state, when) == 0


def test_randomness_is_that_of_the_world(state: WasiState) -> None:
    same = ScriptedWorld()
    assert random.random_bytes(state, 5) == same.random_bytes(5)
    assert random.random_u64(state) == int.from_bytes(same.random_bytes(8), "little")
    seed = random.insecure_seed(state)
    assert seed == [int.from_bytes(same.random_bytes(8), "little") for _ in range(2)]


def test_more_randomness_than_the_bound_traps(state: WasiState) -> None:
    assert len(random.random_bytes(state, RANDOM_BYTES_MAX)) == RANDOM_BYTES_MAX
    with pytest.raises(GuestTrap, match=str(RANDOM_BYTES_MAX)):
        random.random_bytes(state, 2**63)


def test_the_environment_is_the_worlds_and_there_is_nothing_else_of_a_process() -> None:
    state = WasiState(ScriptedWorld([("LEVEL", "debug"), ("EMPTY", "")]))
    assert cli.get_environment(state) == [["LEVEL", "debug"], ["EMPTY", ""]]
    assert cli.get_arguments(state) == []
    assert cli.initial_cwd(state) is None


@pytest.mark.parametrize(("status", "ok"), [({"ok": None}, True), ({"err": None}, False)])
def test_exit_ends_the_call_with_its_status(state: WasiState, status: object, ok: bool) -> None:
    with pytest.raises(GuestExit) as caught:
        cli.exit_with_status(state, status)
    assert caught.value.ok is ok


@pytest.mark.parametrize(("code", "ok"), [(0, True), (3, False)])
def test_exit_with_a_code_ends_the_call(state: WasiState, code: int, ok: bool) -> None:
    with pytest.raises(GuestExit) as caught:
        cli.exit_with_code(state, code)
    assert caught.value.ok is ok
