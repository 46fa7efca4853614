"""The pytest plugin of this distribution: it does nothing unless the conformance kit is asked for.

pytest reads no conftest.py of a package given by `--pyargs` before it parses the options.
"""

import pytest

_KIT = "obelisk_runtime.testing.conformance"


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    if any(arg.startswith(_KIT) for arg in args):
        early_config.pluginmanager.import_plugin(f"{_KIT}.plugin")
