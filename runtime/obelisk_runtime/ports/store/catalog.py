"""Components, what guests wrote, and what they asked of the network."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from obelisk_runtime.core.ids import Digest, ExecutionId, Instant
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.ports.store.executions import PAGE_MAX


class LogLevel(StrEnum):
    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


EVERY_LEVEL = frozenset(LogLevel)


def levels_from(lowest: LogLevel) -> frozenset[LogLevel]:
    """A level and those above it."""
    return frozenset(list(LogLevel)[list(LogLevel).index(lowest) :])


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line a guest wrote. (execution, run, ordinal) is its identity: written again, it is the same record.

    `run` is the attempt of an activity, or the number of history entries a workflow had asked for; `ordinal` counts the
    lines from there. So a replay writes nothing twice.
    """

    execution_id: ExecutionId
    run: int
    ordinal: int
    at: Instant
    level: LogLevel
    source: str
    """`log`, `stdout`, `stderr`, or `host`: who says that something was cut."""
    message: str


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """An HTTP request of a guest. (execution, run, ordinal) is its identity, as of a LogRecord."""

    execution_id: ExecutionId
    run: int
    ordinal: int
    made: RequestMade
    more: bool = False
    """It is the last of its run that is recorded, and others may have followed."""


class Catalog(Protocol):
    """Components, what guests wrote, and what they asked of the network."""

    def put_component(self, digest: Digest, wasm: bytes) -> Awaitable[None]:
        """Keep the bytes for ever under their digest; a known digest is left as it is."""
        ...

    async def get_component(self, digest: Digest) -> bytes | None: ...

    def write_logs(self, records: Sequence[LogRecord]) -> Awaitable[None]:
        """In order with the caller's other writes. A record that exists, or of an unknown execution, is passed over."""
        ...

    async def read_logs(
        self,
        execution_id: ExecutionId,
        *,
        after: int = 0,
        limit: int = PAGE_MAX,
        levels: frozenset[LogLevel] = EVERY_LEVEL,
        tree: bool = False,
    ) -> Sequence[tuple[int, LogRecord]]:
        """(cursor, record) in the order they were written, with cursors above `after`; they grow from 1 or more.

        `tree`: also of everything below the execution.
        """
        ...

    def write_requests(self, records: Sequence[RequestRecord]) -> Awaitable[None]:
        """As `write_logs`."""
        ...

    async def read_requests(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int = PAGE_MAX
    ) -> Sequence[tuple[int, RequestRecord]]:
        """As `read_logs`."""
        ...
