from pathlib import Path

import pytest
from tomlkit import parse

from obelisk_server.config import parse_config
from obelisk_server.config.edit import NewSection, NotEditable, locations, with_locations, with_section

TEXT = """\
# what runs here
[[activity]]   # the first
name = 'a'
location = "oci://h/a:1"   # from the registry
env = { MODE = "prod" }

[[workflow]]
location = "w.wasm"
name = "w"
# the end
"""
PINNED = "oci://h/a:1@sha256:" + "0" * 64


def test_locations_change_and_nothing_else() -> None:
    assert locations(TEXT) == {"a": "oci://h/a:1", "w": "w.wasm"}
    assert with_locations(TEXT, {"oci://h/a:1": PINNED}) == TEXT.replace('"oci://h/a:1"', f'"{PINNED}"')
    assert with_locations(TEXT, {}) == TEXT
    assert with_locations(TEXT, {"oci://elsewhere/a": PINNED}) == TEXT


def test_a_section_is_added_at_the_end() -> None:
    hosts = ({"pattern": "https://api.example.com", "methods": ["GET"]},)
    added = with_section(TEXT, NewSection("activity", "b", PINNED, hosts, {"TOKEN": "${TOKEN}"}))
    assert added.startswith(TEXT.rstrip())
    assert (
        added.removeprefix(TEXT.rstrip())
        == f"""

[[activity]]
name = "b"
location = "{PINNED}"
# Proposed by the author of the component: review before the server runs it.
allowed_hosts = [{{pattern = "https://api.example.com", methods = ["GET"]}}]
env = {{TOKEN = "${{TOKEN}}"}}
"""
    )
    assert parse(added).unwrap()["activity"][1]["allowed_hosts"] == list(hosts)


def test_a_section_that_asks_for_nothing_has_no_remark() -> None:
    assert (
        with_section("", NewSection("workflow", "w", PINNED))
        == f"""\
[[workflow]]
name = "w"
location = "{PINNED}"
"""
    )


def test_what_an_author_proposes_cannot_break_out_of_its_value() -> None:
    evil = {"A": '"\n[[activity]]\nname = "evil', '"B" = 1\n[x]': "y"}
    added = with_section(TEXT, NewSection("activity", "b", PINNED, env=evil))
    assert parse(added).unwrap()["activity"][1]["env"] == evil
    assert set(locations(added)) == {"a", "w", "b"}


def test_a_name_is_used_once() -> None:
    with pytest.raises(NotEditable, match="'w' already"):
        with_section(TEXT, NewSection("activity", "w", PINNED))


def test_what_is_no_toml_is_left_alone() -> None:
    with pytest.raises(NotEditable, match="this is not TOML"):
        with_locations("[", {})


def test_a_webhook_that_is_added_has_a_route_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.wasm").touch()
    added = with_section("", NewSection("webhook", "shop", "a.wasm"))
    config = parse_config(added, tmp_path / "obelisk.toml", {})
    assert config.webhooks is not None
    (webhook,) = config.webhooks.webhooks
    assert [str(route) for route in webhook.routes] == ["any method /shop/*"]
