"""Ordinary programs as workflows of a real server: what one process has done, another repeats, a hundred times."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from server_process import OBELISK, REPOSITORY

BUILD = [sys.executable, "components/build.py"]
DEADLINE_SECONDS = 60
REPLAYS = 100
CONFIG = """
[server]
listen = "127.0.0.1:0"

[[activity]]
name = "fibo"
location = "{products}/fibo_tiny.wasm"

[[workflow]]
name = "wanderer"
location = "{products}/wanderer_{language}.wasm"
"""

Request = Callable[..., Any]


@contextmanager
def serving(folder: Path) -> Iterator[Request]:
    """A server process in a folder; yields how to ask it something."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [*OBELISK, "server", "run"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line.startswith("serving on "), line
            connection = http.client.HTTPConnection(line.split("//")[-1].strip(), timeout=DEADLINE_SECONDS)

            def request(method: str, path: str, body: Any) -> Any:
                connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer = json.loads(response.read())
                assert response.status in (200, 201, 202), answer
                return answer

            yield request
            connection.close()
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(DEADLINE_SECONDS)


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_what_one_process_did_another_repeats_a_hundred_times_of_a_hundred(tmp_path: Path, language: str) -> None:
    command = [*BUILD, "fibo_tiny", f"wanderer_{language}"]
    subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    products = REPOSITORY / "build" / "components"
    (tmp_path / "obelisk.toml").write_text(CONFIG.format(products=products, language=language))
    with serving(tmp_path) as request:
        submission = {"function": "testing:wanderer/wanderer.wander", "params": [3], "wait": f"{DEADLINE_SECONDS}s"}
        execution = request("POST", "/v1/executions", submission)
        assert len(execution["result"]["ok"]) == 3
    with serving(tmp_path) as request:
        for _ in range(REPLAYS):
            replayed = request("POST", f"/v1/executions/{execution['id']}/replay", {})
            assert replayed["matches"], replayed
