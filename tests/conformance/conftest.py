"""The kit of the store contract, for every store of this package."""

import pytest

pytest.register_assert_rewrite("obelisk_runtime.testing.conformance")

from obelisk_runtime.testing.backends import Backend, load  # noqa: E402 - asserts are rewritten first
from obelisk_runtime.testing.conformance.fixtures import raw_store, reopen, store  # noqa: E402

__all__ = ["backend", "raw_store", "reopen", "store"]


@pytest.fixture(scope="session", params=["memory", "sqlite"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return load(request.param)
