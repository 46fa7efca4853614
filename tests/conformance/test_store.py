"""The kit as it is shipped."""

from obelisk_runtime.testing.conformance.test_store import *  # noqa: F403 - its `__all__` is the kit
