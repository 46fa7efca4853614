"""A server, as a process of its own, whose components are in a registry that comes and goes."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from wasmtime import wat2wasm

import registry_servers as servers
from server_process import OBELISK, REPOSITORY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not servers.INSTALLED:
        pytest.skip("needs Debian's docker-registry and apache2-utils")
    for name in ("fibo_tiny", "shapes"):
        text = (REPOSITORY / "components" / name / "component.wat").read_text(encoding="utf-8")
        (tmp_path / f"{name}.wasm").write_bytes(wat2wasm(text))
    return tmp_path


def environ(folder: Path, server: str = "") -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "OBELISK_SERVER": server,
    }


def obelisk(folder: Path, *arguments: str, server: str = "", code: int = 0) -> str:
    done = subprocess.run(
        [*OBELISK, *arguments], cwd=folder, env=environ(folder, server), capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


class Server:
    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [*OBELISK, "server", "run"],
            cwd=folder,
            env=environ(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip().rpartition(" ")[2]
        assert self.address.startswith("http://"), self.process.communicate()

    def stop(self) -> str:
        """What it wrote into its log."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=240)
        assert self.process.returncode == 0, log
        return log


@pytest.fixture
def registry(folder: Path) -> Iterator[servers.Proxy]:
    with servers.docker_registry(folder / "registry") as address, servers.proxy(address) as proxy:
        yield proxy


def test_a_server_pulls_shows_the_digest_survives_a_bad_reload_and_starts_offline(
    folder: Path, registry: servers.Proxy
) -> None:
    tag = f"oci://{registry.address}/team/fibo:1"
    pinned = obelisk(folder, "component", "push", "fibo_tiny.wasm", tag).strip()
    (folder / "obelisk.toml").write_text(
        f'[server]\nlisten = "127.0.0.1:0"\n[[activity]]\nname = "fibo"\nlocation = "{tag}"\n'
    )
    server = Server(folder)
    shown = json.loads(obelisk(folder, "component", "list", "--json", server=server.address))
    assert [item["location"] for item in shown["items"]] == [pinned]

    registry.fault = lambda _, __: servers.Answer(503)
    again = obelisk(folder, "server", "reload", server=server.address)
    assert "reloaded" in again  # from the cache
    registry.fault = lambda seen, _: servers.Answer(404) if "/manifests/" in seen.path else None
    said = obelisk(folder, "server", "reload", server=server.address, code=8)
    assert "is not there (404" in said
    result = obelisk(folder, "execution", "submit", "fibo", "[10]", "--follow", server=server.address)
    assert result == '{"ok":89}\n'
    log = server.stop()
    assert "a component was pulled" in log
    assert "offline: a component is taken from the cache" in log

    registry.fault = lambda _, __: servers.Answer(500)
    offline = Server(folder)
    result = obelisk(folder, "execution", "submit", "fibo", "[10]", "--follow", server=offline.address)
    assert result == '{"ok":89}\n'
    assert "offline: a component is taken from the cache" in offline.stop()

    shutil.rmtree(folder / "cache" / "obelisk" / "registry")
    said = obelisk(folder, "server", "verify", code=8)
    assert "the registry failed (500" in said
