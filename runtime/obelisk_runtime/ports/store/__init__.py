"""The store: executions with their logs and responses, the work queue, signals and the catalog.

The contract of every adapter; `obelisk_runtime.testing.conformance` checks it. Rules that hold for all of it:

- Every writing call is one transaction: it happens as a whole or not at all, and is durable when its awaitable is done.
- Writing calls are applied in the order they were made. They are plain functions that return an awaitable; the write is
  under way once they return, awaited or not, and also if the waiter is cancelled. Errors come from the awaitable.
- Reads see what was acknowledged. A write after `close` is StoreUnavailable.
- The version is the fencing token: a writer whose expected version is not the stored one changes nothing.
- Decisions are the core's. An adapter stores the projections it is given, and itself applies only
  `core.projection.deliver` (a response to a parent), `core.decisions.lock`, `take_over` and `release`.
- Events, responses and delays keep the times they are given; nothing is ordered by them but what is due. The clock may
  go backwards.
- Lists answer at most `limit` rows, and never more than PAGE_MAX.
- After every call, for every execution: the stored projection equals `core.history.fold(log, responses)`.
"""

from typing import Protocol

from obelisk_runtime.ports.store.catalog import EVERY_LEVEL, Catalog, LogLevel, LogRecord, RequestRecord, levels_from
from obelisk_runtime.ports.store.errors import (
    ExecutionNotFound,
    IdConflict,
    ResponsesMoved,
    SchemaTooNew,
    StoreCorrupt,
    StoreInUse,
    StoreUnavailable,
    VersionConflict,
)
from obelisk_runtime.ports.store.executions import (
    PAGE_MAX,
    Append,
    CreateOutcome,
    ExecutionFilter,
    Executions,
    NewDelay,
    NewExecution,
    Page,
    Summary,
)
from obelisk_runtime.ports.store.overview import CHANGES_MAX, Added, Change, Counts, Failure, Overview, VersionCount
from obelisk_runtime.ports.store.signals import Changed, Signals
from obelisk_runtime.ports.store.trees import Grafted, GraftedDelay, OldTrees, Trees
from obelisk_runtime.ports.store.work_queue import Claim, DelayFired, Offer, OpenDelay, WorkQueue


class Store(Executions, WorkQueue, Signals, Catalog, Trees, Overview, Protocol):
    """All of it, over one medium."""

    async def close(self) -> None:
        """Finish the writes under way and release files, threads and locks."""
        ...


__all__ = [
    "CHANGES_MAX",
    "EVERY_LEVEL",
    "PAGE_MAX",
    "Added",
    "Append",
    "Catalog",
    "Change",
    "Changed",
    "Claim",
    "Counts",
    "CreateOutcome",
    "DelayFired",
    "ExecutionFilter",
    "ExecutionNotFound",
    "Executions",
    "Failure",
    "Grafted",
    "GraftedDelay",
    "IdConflict",
    "LogLevel",
    "LogRecord",
    "NewDelay",
    "NewExecution",
    "Offer",
    "OldTrees",
    "OpenDelay",
    "Overview",
    "Page",
    "RequestRecord",
    "ResponsesMoved",
    "SchemaTooNew",
    "Signals",
    "Store",
    "StoreCorrupt",
    "StoreInUse",
    "StoreUnavailable",
    "Summary",
    "Trees",
    "VersionConflict",
    "VersionCount",
    "WorkQueue",
    "levels_from",
]
