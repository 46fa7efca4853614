"""How the call of a guest ends is how its execution does, and never with the value of a secret."""

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.guest_outcomes import GuestFailure, HostFailed, OutOfFuel, Returned, Trapped, outcome_of
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.secrets import Redactor, Secret
from obelisk_runtime.core.values import function_codec
from obelisk_runtime.core.wit_text import parse_function

CODEC = function_codec(Ffqn.parse("a:b/c.d"), parse_function("func() -> result<string, string>"))
REDACT = Redactor({"KEY": Secret(b"hush")}).redact


def test_what_a_guest_returns_is_the_outcome() -> None:
    assert outcome_of(Returned({"ok": "hush"}), CODEC, REDACT) == ev.Ok('"hush"')
    assert outcome_of(Returned({"err": "no"}), CODEC, REDACT) == ev.Err('"no"')


def test_a_result_that_is_no_value_is_a_trap() -> None:
    outcome = outcome_of(Returned({"ok": "x" * 3_000_000}), CODEC, REDACT)
    assert isinstance(outcome, ev.Failed)
    assert outcome.kind is ev.FailureKind.TRAPPED
    assert "3000002 bytes" in outcome.reason


@pytest.mark.parametrize(
    ("ended", "failed"),
    [
        (Trapped("told hush", ("at hush",)), (ev.FailureKind.TRAPPED, "told [secret KEY]", ("at [secret KEY]",))),
        (OutOfFuel(), (ev.FailureKind.OUT_OF_FUEL, "the fuel of the call was used up", ())),
        (HostFailed(KeyError("hush")), (ev.FailureKind.TRAPPED, "a host function failed; see the server's log", ())),
    ],
)
def test_a_failure_tells_its_kind_and_no_secret(
    ended: GuestFailure, failed: tuple[ev.FailureKind, str, tuple[str, ...]]
) -> None:
    assert outcome_of(ended, CODEC, REDACT) == ev.Failed(*failed)
