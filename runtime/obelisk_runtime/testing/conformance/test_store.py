"""Everything of the kit, for pytest to collect."""

from obelisk_runtime.testing.conformance.executions import TestAppend, TestCreate, TestPayloads

__all__ = ["TestAppend", "TestCreate", "TestPayloads"]
