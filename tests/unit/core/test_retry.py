import pytest

from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.retry import SECOND, RetryPolicy

EXACT = RetryPolicy(max=10, backoff=SECOND, factor=2.0, backoff_max=10 * SECOND, jitter=0)


def test_each_failure_waits_longer_up_to_the_maximum() -> None:
    assert [EXACT.wait(failures, 0.9) // SECOND for failures in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_jitter_spreads_the_wait_around_it() -> None:
    policy = RetryPolicy(backoff=SECOND, jitter=0.5)
    assert policy.wait(1, 0.0) == SECOND // 2
    assert policy.wait(1, 0.5) == SECOND
    assert SECOND < policy.wait(1, 0.999) < SECOND * 3 // 2


def test_an_attempt_is_due_its_wait_after_the_failure() -> None:
    assert EXACT.due(2, Instant(100), 0) == 100 + 2 * SECOND


def test_the_budget_is_as_many_repetitions_as_its_maximum() -> None:
    assert EXACT.due(10, Instant(0), 0) is not None
    assert EXACT.due(11, Instant(0), 0) is None
    assert RetryPolicy(max=0).due(1, Instant(0), 0) is None


@pytest.mark.parametrize("factor", [1.0, 2.0, 10.0, 1e9])
def test_no_number_of_failures_is_too_many(factor: float) -> None:
    policy = RetryPolicy(max=10**9, factor=factor, jitter=0)
    assert policy.wait(10**9, 0) <= policy.backoff_max


def test_a_wait_is_never_negative() -> None:
    assert RetryPolicy(jitter=1.0).wait(1, 0.0) == 0
    assert RetryPolicy(backoff=0).wait(5, 0.5) == 0
