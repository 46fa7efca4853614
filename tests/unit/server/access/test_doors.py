"""What a reload may change about who gets in."""

from pathlib import Path

import pytest

from obelisk_server.access import Doors, TokenRefused, new_token
from obelisk_server.config import ServerConfig, parse_config

TOKEN, HASH = new_token(bytes(32))
WITH_TOKEN = f"""
[[token]]
name = "ci"
hash = "{HASH}"
scopes = ["read"]
"""


def config(listen: str, more: str = "") -> ServerConfig:
    return parse_config(f'[server]\nlisten = "{listen}"\n{more}', Path("obelisk.toml"), {})


def test_a_listener_that_others_reach_is_not_opened_by_a_file_for_another_listener() -> None:
    doors = Doors(config("0.0.0.0:80", WITH_TOKEN), lambda: 0)
    (problem,) = doors.prepare(config("127.0.0.1:80"), {})
    assert "0.0.0.0:80 until the server is started again" in problem
    with pytest.raises(TokenRefused):
        doors.guard.admit({}, "192.0.2.1")


def test_who_is_let_in_without_tokens_is_judged_by_where_the_server_listens() -> None:
    doors = Doors(config("0.0.0.0:80", WITH_TOKEN), lambda: 0)
    assert doors.prepare(config("0.0.0.0:80", "insecure = true"), {}) == []
    doors.install()
    assert doors.guard.admit({}, "192.0.2.1").name == "anonymous"
    here = Doors(config("127.0.0.1:80"), lambda: 0)
    assert here.prepare(config("192.0.2.7:80", WITH_TOKEN), {}) == []
    here.install()
    here.guard.refuse_foreign({"Host": "127.0.0.1:80"})
    assert here.guard.wants_tokens


def test_the_name_that_it_listens_on_stays_its_name() -> None:
    doors = Doors(config("192.0.2.7:80", WITH_TOKEN), lambda: 0)
    assert doors.prepare(config("127.0.0.1:80", WITH_TOKEN), {}) == []
    doors.install()
    doors.guard.refuse_foreign({"Host": "192.0.2.7:80"})
