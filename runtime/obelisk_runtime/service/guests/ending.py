"""What the end of a workflow's guest means for its execution."""

import logging
from typing import assert_never

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.values import FunctionCodec, InvalidValue
from obelisk_runtime.ports import engine as guest

logger = logging.getLogger("obelisk.service")


def outcome_of(execution_id: ExecutionId, ended: guest.GuestOutcome, codec: FunctionCodec) -> ev.Outcome:
    """How the execution ends. `ended` is not `Dropped`, and a workflow's call has no timeout."""
    match ended:
        case guest.Returned():
            return _returned(ended.value, codec)
        case guest.Trapped():
            return ev.Failed(ev.FailureKind.TRAPPED, ended.message, ended.backtrace)
        case guest.OutOfFuel():
            return ev.Failed(ev.FailureKind.OUT_OF_FUEL, "the fuel of the call was used up")
        case guest.TimedOut() | guest.Dropped():
            raise AssertionError("workflows have no attempt timeout")
        case guest.HostFailed():
            logger.error("a host function failed", exc_info=ended.error, extra={"execution": execution_id})
            return ev.Failed(ev.FailureKind.TRAPPED, "a host function failed; see the server's log")
        case _:
            assert_never(ended)


def _returned(value: guest.Value, codec: FunctionCodec) -> ev.Outcome:
    try:
        result = codec.from_result(value)
    except InvalidValue as error:
        return ev.Failed(ev.FailureKind.TRAPPED, str(error))
    return ev.Ok(result.payload) if result.is_ok else ev.Err(result.payload)
