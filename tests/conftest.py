"""What holds for all tests."""

import gc
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("tests", deadline=None, derandomize=True, database=None)
settings.load_profile("tests")

SLOW_FIRST = ("e2e", "browser", "integration", "conformance")
"""Folders whose files take long: begun last, one of them would keep a single worker busy at the end."""


def pytest_configure() -> None:
    """Take interrupts, also where the tests were started in the background of a shell, which has them ignored.

    Programs that tests start would inherit that, and could not be interrupted by a test.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [folder in item.path.parts for folder in SLOW_FIRST], reverse=True)


def pytest_collection_finish() -> None:
    """What was imported and collected stays; the garbage of tests is found without looking at all of that."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _collected() -> Iterator[None]:
    """Garbage is collected between modules: compiled components are large, and wait for it in cycles."""
    yield
    gc.collect()
