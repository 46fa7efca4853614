"""Ids of executions, delays and join sets.

An execution is `E_<ulid>`; a child appends `.<kind>:<join set name>_<index>`. A delay is `Delay_<same path>`. Parent
and join set are readable from the id. ULIDs: 48 bits of milliseconds and 80 random bits in Crockford's base 32
(https://github.com/ulid/spec).
"""

import re
from typing import NewType

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.names import Ffqn

ExecutionId = NewType("ExecutionId", str)
DelayId = NewType("DelayId", str)
ResponseId = ExecutionId | DelayId
JoinSetId = NewType("JoinSetId", str)
"""`o:<n>` one-off (a direct call or a sleep), `g:<n>` generated, `n:<name>` named."""
ExecutorId = NewType("ExecutorId", str)
Digest = NewType("Digest", str)
"""`sha256:<64 hex digits>` of a component's bytes."""

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00Z."""

EXECUTION_PREFIX = "E_"
DELAY_PREFIX = "Delay_"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_JOIN_SET_NAME = re.compile(r"[A-Za-z0-9/-]+")
_ULID = r"[0-7][0-9A-HJKMNP-TV-Z]{25}"
_SEGMENT = r"\.[ogn]:[A-Za-z0-9/-]+_[1-9][0-9]*"
_EXECUTION = re.compile(rf"E_{_ULID}(?:{_SEGMENT})*")
_DELAY = re.compile(rf"Delay_{_ULID}(?:{_SEGMENT})+")


def ulid(milliseconds: int, randomness: int) -> str:
    """The 26 characters of a ULID from a time (48 bits) and 80 random bits."""
    value = (milliseconds << 80) | randomness
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


def top_level_id(milliseconds: int, randomness: int) -> ExecutionId:
    return ExecutionId(EXECUTION_PREFIX + ulid(milliseconds, randomness))


def derived_id(digest: bytes) -> ExecutionId:
    """The id that the first 128 bits of a digest make: the same for the same digest, its time means nothing."""
    value = int.from_bytes(digest[:16], "big")
    return top_level_id(value >> 80, value & ((1 << 80) - 1))


def parse_execution_id(text: str) -> ExecutionId:
    """Raises: InvalidName."""
    if _EXECUTION.fullmatch(text) is None:
        raise InvalidName("execution id", text, "E_<26 characters of a ULID>[.<kind>:<join set>_<index>]…")
    return ExecutionId(text)


def parse_delay_id(text: str) -> DelayId:
    """Raises: InvalidName."""
    if _DELAY.fullmatch(text) is None:
        raise InvalidName("delay id", text, "Delay_<26 characters of a ULID>.<kind>:<join set>_<index>")
    return DelayId(text)


def valid_join_set_name(name: str) -> bool:
    """Letters, digits, '-' and '/', at least one."""
    return _JOIN_SET_NAME.fullmatch(name) is not None


def child_id(parent: ExecutionId, join_set: JoinSetId, index: int) -> ExecutionId:
    """The id of the `index`-th (from 1) submission to a join set, as a child execution."""
    return ExecutionId(f"{parent}.{join_set}_{index}")


def delay_id(parent: ExecutionId, join_set: JoinSetId, index: int) -> DelayId:
    """The id of the `index`-th (from 1) submission to a join set, as a delay."""
    return DelayId(f"{DELAY_PREFIX}{parent[2:]}.{join_set}_{index}")


def path_of(response_id: ResponseId) -> str:
    """What an execution and the delays of it have in common: the id without its prefix."""
    return response_id.removeprefix(DELAY_PREFIX).removeprefix(EXECUTION_PREFIX)


def top_of(response_id: ResponseId) -> ExecutionId:
    """The top-level execution it is below of, or itself."""
    return ExecutionId(EXECUTION_PREFIX + path_of(response_id).partition(".")[0])


def owner_of(execution_id: ExecutionId, function: Ffqn) -> str:
    """Who answers for it: for a child the uppermost execution, for what a client submitted its function."""
    root, dot, _ = execution_id.partition(".")
    return root if dot else function.text


def is_delay(response_id: ResponseId) -> bool:
    return response_id.startswith(DELAY_PREFIX)


def parent_of(response_id: ResponseId) -> ExecutionId | None:
    """The execution that submitted this child or delay; None for a top-level execution."""
    parent, dot, _ = path_of(response_id).rpartition(".")
    return ExecutionId(EXECUTION_PREFIX + parent) if dot else None


def join_set_of(response_id: ResponseId) -> tuple[JoinSetId, int] | None:
    """(join set, index in it) of a child or delay within its parent; None for a top-level execution."""
    _, dot, segment = response_id.rpartition(".")
    if not dot:
        return None
    join_set, _, index = segment.rpartition("_")
    return JoinSetId(join_set), int(index)
