import pytest

from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.retry import SECOND, FailureClass, RetryPolicy

EXACT = RetryPolicy(max=10, backoff=SECOND, factor=2.0, backoff_max=10 * SECOND, jitter=0)
ERR, TRAP, TIMEOUT = FailureClass


def repeated(policy: RetryPolicy, latest: FailureClass, *, errs: int = 0, traps: int = 0, timeouts: int = 0) -> bool:
    failures = {ERR: errs, TRAP: traps, TIMEOUT: timeouts}
    return policy.due(latest, failures, Instant(0), 0) is not None


def test_each_failure_waits_longer_up_to_the_maximum() -> None:
    assert [EXACT.wait(failures, 0.9) // SECOND for failures in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_jitter_spreads_the_wait_around_it() -> None:
    policy = RetryPolicy(backoff=SECOND, jitter=0.5)
    assert policy.wait(1, 0.0) == SECOND // 2
    assert policy.wait(1, 0.5) == SECOND
    assert SECOND < policy.wait(1, 0.999) < SECOND * 3 // 2


def test_an_attempt_is_due_its_wait_after_the_failure() -> None:
    assert EXACT.due(ERR, {ERR: 1, TRAP: 1, TIMEOUT: 0}, Instant(100), 0) == 100 + 2 * SECOND


@pytest.mark.parametrize("latest", FailureClass)
def test_the_budget_is_as_many_repetitions_as_its_maximum(latest: FailureClass) -> None:
    assert repeated(EXACT, latest, errs=8, traps=1, timeouts=1)
    assert not repeated(EXACT, latest, errs=8, traps=1, timeouts=2)
    assert not repeated(RetryPolicy(max=0), latest, errs=1, traps=1, timeouts=1)


def test_a_class_with_a_budget_of_its_own_uses_up_no_other() -> None:
    policy = RetryPolicy(max=2, traps_max=0, timeouts_max=3)
    assert not repeated(policy, TRAP, traps=1)
    assert repeated(policy, TIMEOUT, errs=2, timeouts=3)
    assert not repeated(policy, TIMEOUT, timeouts=4)
    assert repeated(policy, ERR, errs=2, timeouts=3)
    assert not repeated(policy, ERR, errs=3)


def test_the_classes_without_a_budget_share_one() -> None:
    policy = RetryPolicy(max=2, errs_max=5)
    assert repeated(policy, ERR, errs=5, traps=9)
    assert repeated(policy, TRAP, errs=5, traps=1, timeouts=1)
    assert not repeated(policy, TIMEOUT, traps=2, timeouts=1)


@pytest.mark.parametrize("factor", [1.0, 2.0, 10.0, 1e9])
def test_no_number_of_failures_is_too_many(factor: float) -> None:
    policy = RetryPolicy(max=10**9, factor=factor, jitter=0)
    assert policy.wait(10**9, 0) <= policy.backoff_max


def test_a_wait_is_never_negative() -> None:
    assert RetryPolicy(jitter=1.0).wait(1, 0.0) == 0
    assert RetryPolicy(backoff=0).wait(5, 0.5) == 0
