import pytest

from obelisk_runtime.core.events import DelayDue, Response
from obelisk_runtime.core.ids import Instant, JoinSetId
from obelisk_runtime.core.join_sets import JoinSet
from obelisk_runtime.core.names import Ffqn

RUN = Ffqn.parse("a:b/c.run")


def answer(position: int, response_id: str) -> Response:
    return Response(position=position, at=Instant(position), id=response_id, result=DelayDue())


@pytest.fixture
def join_set() -> JoinSet:
    """Two submissions, a child and a delay."""
    made = JoinSet(JoinSetId("g:1"), [])
    made.submit("child", RUN, answered=False)
    made.submit("delay", None, answered=False)
    return made


def test_a_new_set_is_exhausted_and_waits_for_nothing() -> None:
    new = JoinSet(JoinSetId("g:1"), [])
    assert new.exhausted
    assert not new.starving
    assert new.remaining == 0


def test_submissions_are_open_in_the_order_of_creation(join_set: JoinSet) -> None:
    assert list(join_set.open.items()) == [("child", RUN), ("delay", None)]


def test_an_answered_submission_is_not_open(join_set: JoinSet) -> None:
    join_set.submit("answered", RUN, answered=True)
    assert "answered" not in join_set.open


def test_it_starves_until_as_many_answered_as_were_asked_for(join_set: JoinSet) -> None:
    join_set.awaited = 1
    assert join_set.starving
    assert join_set.remaining == 1
    join_set.arrived.append(answer(1, "delay"))
    assert not join_set.starving
    assert join_set.remaining == 0


def test_responses_are_taken_in_the_order_they_arrived(join_set: JoinSet) -> None:
    join_set.arrived += [answer(1, "delay"), answer(2, "child")]
    join_set.awaited = 1
    assert join_set.take() == (answer(1, "delay"), None)
    assert join_set.last == "delay"
    join_set.awaited = 2
    assert join_set.take() == (answer(2, "child"), RUN)
    assert join_set.last == "child"


def test_it_is_exhausted_when_every_submission_was_asked_for(join_set: JoinSet) -> None:
    join_set.awaited = 1
    assert not join_set.exhausted
    join_set.awaited = 2
    assert join_set.exhausted
    join_set.submit("another", RUN, answered=False)
    assert not join_set.exhausted


def test_a_closed_set_waits_for_all_that_is_open(join_set: JoinSet) -> None:
    join_set.closed = True
    assert join_set.remaining == 2
    join_set.open.pop("delay")
    assert join_set.remaining == 1
