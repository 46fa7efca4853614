"""`allowed_hosts`, `http` and `secrets` in obelisk.toml."""

from pathlib import Path

import pytest

from obelisk_runtime.core.addresses import Reach
from obelisk_runtime.core.allowed_hosts import allow
from obelisk_runtime.core.deployment import HttpLimits
from obelisk_runtime.core.secrets import Secret
from obelisk_server.config import InvalidConfig, ServerConfig, parse_config

TOKEN = 'TOKEN = { env = "MY_TOKEN" }'
GRANT = 'allowed_hosts = [{ pattern = "https://api.example.com", secrets = ["TOKEN"] }]'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.wasm").write_bytes(b"")
    return tmp_path


def parse(folder: Path, lines: str, secrets: str = TOKEN, **environ: str) -> ServerConfig:
    """An activity with these lines."""
    text = f'[secrets]\n{secrets}\n[[activity]]\nname = "a"\nlocation = "a.wasm"\n{lines}\n'
    return parse_config(text, folder / "obelisk.toml", environ)


def problem(folder: Path, lines: str, secrets: str = TOKEN, **environ: str) -> str:
    with pytest.raises(InvalidConfig) as caught:
        parse(folder, lines, secrets, **environ)
    assert len(caught.value.problems) == 1, caught.value
    return str(caught.value).partition("obelisk.toml")[2]


def test_nothing_is_allowed_by_default(folder: Path) -> None:
    (component,) = parse(folder, "").components
    assert (component.allowed_hosts, component.secrets, component.http) == ((), {}, HttpLimits())


def test_every_option_reaches_the_core(folder: Path) -> None:
    lines = """
allowed_hosts = [
    { pattern = "https://a.com:8443", methods = ["GET"], paths = ["/v1/*"], private = true, secrets = ["TOKEN"] },
    { pattern = "http://127.0.0.1:*" },
]
http = { connections_max = 2, request_bytes_max = 3, response_bytes_max = 4, connect_timeout = "5s" }
"""
    (component,) = parse(folder, lines, MY_TOKEN="the value").components
    assert component.allowed_hosts == (
        allow("https://a.com:8443", methods=["GET"], paths=["/v1/*"], private=True, secrets=["TOKEN"]),
        allow("http://127.0.0.1:*"),
    )
    assert component.allowed_hosts[1].reaches == {Reach.LOOPBACK}
    assert component.http == HttpLimits(2, 3, 4, 5_000_000)
    assert component.secrets == {"TOKEN": Secret(b"the value")}


def test_a_webhook_may_make_requests_too(folder: Path) -> None:
    text = f'[[webhook]]\nname = "h"\nlocation = "a.wasm"\nroutes = [{{ path = "/" }}]\n{GRANT}\n[secrets]\n{TOKEN}\n'
    (component,) = parse_config(text, folder / "obelisk.toml", {"MY_TOKEN": "the value"}).components
    assert component.secrets == {"TOKEN": Secret(b"the value")}


def test_a_secret_may_be_in_a_file(folder: Path) -> None:
    (folder / "token").write_bytes(b"from a file\n")
    (component,) = parse(folder, GRANT, 'TOKEN = { file = "token" }').components
    assert component.secrets == {"TOKEN": Secret(b"from a file")}


def test_values_are_read_only_for_who_may_have_them(folder: Path) -> None:
    (component,) = parse(folder, "", TOKEN).components
    assert component.secrets == {}


def test_a_value_is_in_no_text_of_the_configuration(folder: Path) -> None:
    assert "the value" not in repr(parse(folder, GRANT, MY_TOKEN="the value"))


def test_more_authorities_are_trusted(folder: Path) -> None:
    (folder / "ca.pem").write_text("")
    config = parse_config('[http]\nca_file = "ca.pem"', folder / "obelisk.toml", {})
    assert config.ca_file == folder / "ca.pem"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('allowed_hosts = ["https://a.com"]', "found 'https://a.com', expected a table"),
        ("allowed_hosts = [{}]", "'pattern' is required here and was not given"),
        ('allowed_hosts = [{ pattern = "a.com" }]', "found 'a.com', expected a pattern \"SCHEME://HOST[:PORT]\""),
        ('allowed_hosts = [{ pattern = "https://a.com:0" }]', "expected 1 to 65535, or *"),
        ('allowed_hosts = [{ pattern = "http://0.0.0.0" }]', "expected the address of one host"),
        (
            'allowed_hosts = [{ pattern = "https://a.com", methods = ["get"] }]',
            "found 'get', expected a method in capitals",
        ),
        ('allowed_hosts = [{ pattern = "https://a.com", paths = ["v1"] }]', "found 'v1', expected a path such as"),
        ('allowed_hosts = [{ pattern = "https://a.com", secret = ["X"] }]', "did you mean 'secrets'?"),
        ("http = { connections_max = 0 }", "found 0, expected at least 1"),
        ("http = { connect_timeout = 5 }", "a duration such as"),
        (GRANT.replace("TOKEN", "OTHER"), "there is no secret 'OTHER'; known are TOKEN"),
        (GRANT, "the secret 'TOKEN' has no value: the environment variable MY_TOKEN is not set"),
        (GRANT + '\nenv = { TOKEN = "x" }', "the secret 'TOKEN' has no value"),
    ],
)
def test_what_was_found_and_expected_is_said(folder: Path, lines: str, expected: str) -> None:
    found = problem(folder, lines)
    assert found.startswith((":6: activity[0].", ":7: activity[0]."))
    assert expected in found


@pytest.mark.parametrize(
    ("lines", "value", "expected"),
    [
        (GRANT, "short", "the secret 'TOKEN' is too short, expected at least 8 bytes"),
        (GRANT + '\nenv = { TOKEN = "x" }', "the value", "is given to the guest as the variable TOKEN"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_and_not_shown(
    folder: Path, lines: str, value: str, expected: str
) -> None:
    found = problem(folder, lines, MY_TOKEN=value)
    assert expected in found
    assert value not in found.replace("too short", "")


@pytest.mark.parametrize("key", ["allowed_hosts = []", "http = {}"])
def test_a_workflow_makes_no_requests(folder: Path, key: str) -> None:
    with pytest.raises(InvalidConfig, match=f"workflow.*{key.partition(' ')[0]}"):
        parse_config(f'[[workflow]]\nname = "w"\nlocation = "a.wasm"\n{key}', folder / "obelisk.toml", {})
