import pytest

from http_guest import Guest
from obelisk_runtime.wasi import WasiState


@pytest.fixture
def guest(state: WasiState) -> Guest:
    return Guest(state)
