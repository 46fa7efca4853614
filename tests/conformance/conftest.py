"""The kit of the store contract, for every store of this package."""

from importlib.util import find_spec

import pytest

pytest.register_assert_rewrite("obelisk_runtime.testing.conformance")

from obelisk_runtime.testing.backends import Backend, load  # noqa: E402 - asserts are rewritten first
from obelisk_runtime.testing.conformance.fixtures import raw_store, store  # noqa: E402

__all__ = ["backend", "raw_store", "store"]

_SQLITE_IS_THERE = find_spec("obelisk_runtime.storage.sqlite.store") is not None
_SQLITE = "obelisk_runtime.testing.backends:sqlite"


@pytest.fixture(
    scope="session",
    params=[
        "memory",
        pytest.param(_SQLITE, id="sqlite", marks=pytest.mark.skipif(not _SQLITE_IS_THERE, reason="not written yet")),
    ],
)
def backend(request: pytest.FixtureRequest) -> Backend:
    return load(request.param)
