"""Slots: bounds of a kind and of a function, and what is kept for those who hold few."""

from obelisk_runtime.core.events import ExecutionKind
from obelisk_runtime.core.ids import ExecutionId, top_level_id
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.service.dispatch.slots import FEW, Slots

FLOODED = Ffqn.parse("testing:a/b.flooded")
OTHER = Ffqn.parse("testing:a/b.other")
ACTIVITY = ExecutionKind.ACTIVITY


def slots(capacity: int, limit: int | None = None) -> Slots:
    return Slots({ACTIVITY: capacity}, lambda function: limit if function == FLOODED else None)


def child(root: int, index: int) -> ExecutionId:
    return ExecutionId(f"{top_level_id(0, root)}.g:1_{index}")


def take(found: Slots, execution_id: ExecutionId, function: Ffqn = FLOODED) -> bool:
    return found.take(ACTIVITY, execution_id, function)


def test_there_are_no_more_slots_than_the_kind_has() -> None:
    found = slots(3)
    assert [take(found, child(n, 1)) for n in range(4)] == [True, True, True, False]
    found.give_back(ACTIVITY, child(0, 1), FLOODED)
    assert take(found, child(9, 1))


def test_one_workflow_that_floods_leaves_slots_for_the_child_of_another() -> None:
    found = slots(100)
    assert sum(take(found, child(1, n)) for n in range(1, 1_000)) == 75
    assert take(found, child(2, 1))
    assert sum(take(found, child(2, n)) for n in range(2, 1_000)) == FEW - 1


def test_a_flood_of_submits_of_one_function_leaves_slots_for_another_function() -> None:
    found = slots(100)
    assert sum(take(found, top_level_id(0, n)) for n in range(1_000)) == 75
    assert take(found, top_level_id(0, 2_000), OTHER)


def test_what_waits_in_the_store_does_not_get_the_kept_slots() -> None:
    found = slots(100)
    assert found.room(ACTIVITY) == 75
    for n in range(80):
        found.hold(ACTIVITY, child(n, 1), FLOODED)
    assert found.room(ACTIVITY) == 0
    assert found.free(ACTIVITY) == 20


def test_a_function_runs_no_more_than_its_limit_at_once() -> None:
    found = slots(100, limit=2)
    assert [take(found, child(n, 1)) for n in range(3)] == [True, True, False]
    assert found.function_room(FLOODED) == 0
    assert take(found, child(5, 1), OTHER)
    found.give_back(ACTIVITY, child(0, 1), FLOODED)
    assert found.function_room(FLOODED) == 1


def test_a_function_that_a_claim_may_fill_is_not_begun_beside_it() -> None:
    found = slots(100, limit=2)
    found.claiming = frozenset({FLOODED})
    assert not take(found, child(1, 1))
