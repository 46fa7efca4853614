"""How the call of a guest ends, and what that means for its execution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.values import FunctionCodec, InvalidValue


@dataclass(frozen=True, slots=True)
class Returned:
    value: Any
    """A component value (`ports.engine`)."""


@dataclass(frozen=True, slots=True)
class Trapped:
    message: str
    backtrace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutOfFuel:
    pass


@dataclass(frozen=True, slots=True)
class HostFailed:
    """A host function has a bug: nothing is known about the guest."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Ended by whoever called it; what that means is theirs to say."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Let go of; what that means is for whoever did it to say."""


GuestFailure = Trapped | OutOfFuel | HostFailed
GuestOutcome = Returned | GuestFailure | TimedOut | Dropped


def outcome_of(ended: Returned | GuestFailure, codec: FunctionCodec, redact: Callable[[str], str]) -> ev.Outcome:
    """What the function answered, if it did."""
    if not isinstance(ended, Returned):
        return failure_of(ended, redact)
    try:
        result = codec.from_result(ended.value)
    except InvalidValue as error:
        return ev.Failed(ev.FailureKind.TRAPPED, redact(str(error)))
    return ev.Ok(result.payload) if result.is_ok else ev.Err(result.payload)


def failure_of(ended: GuestFailure, redact: Callable[[str], str]) -> ev.Failed:
    """`redact` takes out the values of secrets, which a guest may have been told."""
    match ended:
        case Trapped():
            return ev.Failed(ev.FailureKind.TRAPPED, redact(ended.message), tuple(map(redact, ended.backtrace)))
        case OutOfFuel():
            return ev.Failed(ev.FailureKind.OUT_OF_FUEL, "the fuel of the call was used up")
        case HostFailed():
            return ev.Failed(ev.FailureKind.TRAPPED, "a host function failed; see the server's log")
        case _:
            assert_never(ended)
