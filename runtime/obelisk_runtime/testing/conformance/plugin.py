"""The pytest plugin of the kit: `--backend` chooses the stores to test, several times for several. Default: memory."""

import pytest

pytest.register_assert_rewrite("obelisk_runtime.testing.conformance")

from obelisk_runtime.testing.backends import load  # noqa: E402 - asserts are rewritten first
from obelisk_runtime.testing.conformance.fixtures import raw_store, reopen, store  # noqa: E402

__all__ = ["raw_store", "reopen", "store"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", action="append", help="store under test: module:factory, or memory")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        references: list[str] = metafunc.config.getoption("--backend") or ["memory"]
        metafunc.parametrize("backend", [pytest.param(load(name), id=name) for name in references], scope="session")
