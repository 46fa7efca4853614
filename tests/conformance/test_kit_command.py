"""The kit as somebody runs it who wrote a store of their own: in another folder, by its command."""

import subprocess
import sys
from pathlib import Path

BROKEN = '''
"""A store without fences."""

from dataclasses import replace

from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.testing.backends import Backend


class Fenceless(MemoryStore):
    def append(self, append):
        found = self._tables.find(append.id).projection
        return super().append(replace(append, expected_version=found.version))


async def open_fenceless(folder, hook=None):
    return Fenceless()


async def open_sound(folder, hook=None):
    return MemoryStore()


sound = Backend("sound", open_sound, durable=False, hooks=False)
'''
CONFIGURATION = """
[pytest]
asyncio_default_fixture_loop_scope = function
"""


def kit(folder: Path, backend: str) -> subprocess.CompletedProcess[str]:
    (folder / "mine.py").write_text(BROKEN)
    (folder / "pytest.ini").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "pytest", "--pyargs", "obelisk_runtime.testing.conformance", "-k", "TestFencing"]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", "--backend", backend],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_store_of_ones_own_is_tested_by_the_command(tmp_path: Path) -> None:
    done = kit(tmp_path, "mine:sound")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout


def test_a_store_without_fences_fails(tmp_path: Path) -> None:
    done = kit(tmp_path, "mine:open_fenceless")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_a_stale_version_writes_nothing_at_all" in done.stdout
