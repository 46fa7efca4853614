"""A server whose activity speaks to a TLS server with a secret: the secret is nowhere but there."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from http_peers import Authority, honest
from server_process import OBELISK, REPOSITORY

BUILD = [sys.executable, "components/build.py"]
VALUE = "the-value-of-the-secret"
CONFIG = """
[server]
listen = "127.0.0.1:0"

[http]
ca_file = "ca.pem"

[secrets]
TOKEN = {{ env = "MY_TOKEN" }}

[[activity]]
name = "fetcher"
location = "{products}/fetcher.wasm"
allowed_hosts = [{{ pattern = "https://127.0.0.1:{port}", methods = ["GET"], secrets = ["TOKEN"] }}]
retries = {{ max = 0 }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    subprocess.run([*BUILD, "fetcher"], cwd=REPOSITORY, capture_output=True, check=True)
    return tmp_path


def environ(server: str = "") -> dict[str, str]:
    home = os.environ.get("HOME", "/")
    return {"PATH": os.environ["PATH"], "HOME": home, "OBELISK_SERVER": server, "MY_TOKEN": VALUE}


def use(folder: Path, address: str, port: int) -> tuple[Any, Any, str]:
    """Two executions and the requests of the first, as the command line shows them."""

    def obelisk(*arguments: str) -> str:
        command = [*OBELISK, *arguments]
        done = subprocess.run(
            command, cwd=folder, env=environ(address), capture_output=True, text=True, timeout=240, check=False
        )
        return done.stdout

    def fetch(action: str, argument: str) -> Any:
        params = json.dumps([action, f"https://127.0.0.1:{port}/status/200", argument])
        return json.loads(obelisk("execution", "submit", "fetch", params, "--follow", "--json"))

    told, denied = fetch("secret", "TOKEN"), fetch("post", "body")
    return told, denied, obelisk("execution", "requests", told["id"])


async def test_a_secret_is_seen_by_the_host_that_may_have_it_and_by_nobody_else(folder: Path) -> None:
    authority = Authority(folder)
    async with honest(authority.server("127.0.0.1")) as peer:
        products = REPOSITORY / "build" / "components"
        (folder / "obelisk.toml").write_text(CONFIG.format(products=products, port=peer.port))
        server = await asyncio.create_subprocess_exec(
            *OBELISK, "server", "run", cwd=folder, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            assert server.stdout is not None
            address = (await server.stdout.readline()).decode().strip().rpartition(" ")[2]
            assert address, await server.communicate()
            told, denied, shown = await asyncio.to_thread(use, folder, address, peer.port)
        finally:
            if server.returncode is None:
                server.send_signal(signal.SIGTERM)
            _, log = await server.communicate()
    assert told["result"] == {"ok": '""'}
    assert [headers["Authorization"] for _, _, headers, _ in peer.requests] == [f"Bearer {VALUE}"]
    assert denied["result"] == {"err": "HttpRequestDenied"}
    assert f"1 GET 200 https://127.0.0.1:{peer.port}/status/200" in " ".join(shown.split())
    stored = b"".join(path.read_bytes() for path in (folder / ".obelisk").iterdir() if path.is_file())
    assert b"environment obelisk-secret-" in stored
    for text in (stored, log, json.dumps([told, denied]).encode(), shown.encode()):
        assert VALUE.encode() not in text
