"""Which logs say that an execution may be what kills the process."""

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import Digest, ExecutorId, Instant, JoinSetId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.poison import poisonous

NOW = Instant(1_750_000_000_000_000)
CREATED = ev.Created(ev.ExecutionKind.WORKFLOW, Ffqn.parse("a:b/c.d"), "[]")
LOCKED = ev.Locked(ExecutorId("X_1"), 1)
DIED = ev.Unlocked("lost", died=True)
LOST = ev.AttemptLost("lost", NOW, died=True)
DIES = (LOCKED, DIED)


def log(*events: ev.Event) -> list[ev.Recorded]:
    return [ev.Recorded(version, NOW, event) for version, event in enumerate((CREATED, *events))]


def test_three_deaths_in_a_row_while_it_ran_are_told() -> None:
    assert "3 times" in (poisonous(log(*DIES, *DIES, *DIES, LOCKED), 3) or "")
    assert "4 times" in (poisonous(log(*(LOCKED, LOST) * 4), 3) or "")


def test_two_deaths_are_not_enough() -> None:
    assert poisonous(log(*DIES, *DIES, LOCKED), 3) is None


@pytest.mark.parametrize(
    "progress",
    [
        ev.JoinSetCreated(JoinSetId("g:1")),
        ev.Unlocked("evicted", parked=True),
        ev.Unlocked("lost while it waited"),
        ev.Unlocked("shut down"),
        ev.Resumed("a person"),
        ev.Upgraded(Digest("sha256:1")),
        ev.AttemptFailed(ev.Err(), NOW),
        ev.AttemptLost("shut down", NOW),
    ],
    ids=ev.event_name,
)
def test_deaths_before_any_progress_or_an_operators_decision_do_not_count(progress: ev.Event) -> None:
    assert poisonous(log(*DIES, *DIES, LOCKED, progress, *DIES, *DIES, LOCKED), 3) is None
