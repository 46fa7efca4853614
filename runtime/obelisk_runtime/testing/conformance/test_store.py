"""Everything of the kit, for pytest to collect."""

from obelisk_runtime.testing.conformance.atomicity import TestAtomicity
from obelisk_runtime.testing.conformance.catalog import TestComponents, TestGuestLogs, TestSignals
from obelisk_runtime.testing.conformance.claiming import TestClaimants
from obelisk_runtime.testing.conformance.control import TestDeadlines, TestHeldDelays, TestWaiting
from obelisk_runtime.testing.conformance.durability import TestReopening
from obelisk_runtime.testing.conformance.executions import TestAppend, TestCreate, TestCreateAll, TestPayloads
from obelisk_runtime.testing.conformance.fencing import TestFencing
from obelisk_runtime.testing.conformance.listing import TestFilters, TestOldestFirst, TestPages
from obelisk_runtime.testing.conformance.model import TestDifferential, TestModel
from obelisk_runtime.testing.conformance.overview import TestAdded, TestChanges, TestOverview
from obelisk_runtime.testing.conformance.responding import TestResponseAgainstBlock, TestResponseOrder
from obelisk_runtime.testing.conformance.trees import TestGraft, TestPrune
from obelisk_runtime.testing.conformance.work_queue import TestDelays, TestLock, TestTakeOver

__all__ = [
    "TestAdded",
    "TestAppend",
    "TestAtomicity",
    "TestChanges",
    "TestClaimants",
    "TestComponents",
    "TestCreate",
    "TestCreateAll",
    "TestDeadlines",
    "TestDelays",
    "TestDifferential",
    "TestFencing",
    "TestFilters",
    "TestGraft",
    "TestGuestLogs",
    "TestHeldDelays",
    "TestLock",
    "TestModel",
    "TestOldestFirst",
    "TestOverview",
    "TestPages",
    "TestPayloads",
    "TestPrune",
    "TestReopening",
    "TestResponseAgainstBlock",
    "TestResponseOrder",
    "TestSignals",
    "TestTakeOver",
    "TestWaiting",
]
