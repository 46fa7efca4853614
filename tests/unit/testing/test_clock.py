from obelisk_runtime.core.ids import Instant, parse_execution_id
from obelisk_runtime.ports.clock import IdSource
from obelisk_runtime.testing.clock import START, SeededIds, VirtualClock


def later(microseconds: int) -> Instant:
    return Instant(START + microseconds)


def test_it_stands_still_until_it_is_moved() -> None:
    clock = VirtualClock()
    assert clock.now() == START
    clock.advance(5)
    assert clock.now() == later(5)


def test_wall_time_may_go_back_and_monotonic_time_does_not() -> None:
    clock = VirtualClock()
    clock.advance(10)
    clock.set(START)
    assert clock.now() == START
    assert clock.monotonic() == 10_000
    clock.advance(5)
    assert clock.monotonic() == 15_000


def test_a_seed_decides_every_id_and_number() -> None:
    def sequence(ids: IdSource) -> list[object]:
        return [ids.execution_id(START), ids.random_bytes(16), ids.fraction()]

    assert sequence(SeededIds(7)) == sequence(SeededIds(7))
    assert sequence(SeededIds(7)) != sequence(SeededIds(8))


def test_seeded_ids_are_valid_and_differ() -> None:
    ids = SeededIds(7)
    made = [parse_execution_id(ids.execution_id(START)) for _ in range(100)]
    assert len(set(made)) == 100
