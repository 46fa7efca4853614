"""The kit as it is shipped."""

from obelisk_runtime.testing.conformance import test_store as kit

globals().update({name: getattr(kit, name) for name in kit.__all__})
