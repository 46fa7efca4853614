"""Everything of the kit, for pytest to collect."""

from obelisk_runtime.testing.conformance.executions import TestAppend, TestCreate, TestPayloads
from obelisk_runtime.testing.conformance.fencing import TestFencing
from obelisk_runtime.testing.conformance.responding import TestResponseAgainstBlock, TestResponseOrder
from obelisk_runtime.testing.conformance.work_queue import TestDelays, TestLock, TestTakeOver

__all__ = [
    "TestAppend",
    "TestCreate",
    "TestDelays",
    "TestFencing",
    "TestLock",
    "TestPayloads",
    "TestResponseAgainstBlock",
    "TestResponseOrder",
    "TestTakeOver",
]
