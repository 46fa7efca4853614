"""Ordinary programs as workflows of a real server: what one process has done, another repeats, a hundred times."""

from pathlib import Path

import pytest

from server_process import ServerProcess, build

REPLAYS = 100
CONFIG = """
[server]
listen = "127.0.0.1:0"

[[activity]]
name = "fibo"
location = "{components}/fibo_tiny.wasm"

[[workflow]]
name = "wanderer"
location = "{components}/wanderer_{language}.wasm"
"""


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_what_one_process_did_another_repeats_a_hundred_times_of_a_hundred(tmp_path: Path, language: str) -> None:
    build("fibo_tiny", f"wanderer_{language}")
    server = ServerProcess(tmp_path)
    server.configure(CONFIG, language=language)
    server.start()
    id_ = server.submit("testing:wanderer/wanderer.wander", 3)
    assert len(server.result(id_)["ok"]) == 3
    server.end()
    server.start()
    try:
        for _ in range(REPLAYS):
            replayed = server.ask("POST", f"/v1/executions/{id_}/replay", {})
            assert replayed["matches"], replayed
    finally:
        server.kill()
