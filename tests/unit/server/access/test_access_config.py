"""Tokens, names and TLS in obelisk.toml."""

from pathlib import Path

import pytest

from obelisk_server.config import InvalidConfig, ServerConfig, parse_config
from obelisk_server.endpoints import Scope

HASH = "sha256:" + "ab" * 32
TOKEN = f'[[token]]\nname = "ci"\nhash = "{HASH}"\nscopes = ["submit"]\n'


def parsed(text: str) -> ServerConfig:
    return parse_config(text, Path("/etc/obelisk/obelisk.toml"), {})


def test_a_token_is_read_with_what_its_scopes_include() -> None:
    more = 'functions = ["shop:*"]\nexpires = 2030-01-01T01:00:00+01:00\n'
    (token,) = parsed(TOKEN + more).access.tokens
    assert (token.name, token.hash, token.functions) == ("ci", bytes([0xAB] * 32), ("shop:*",))
    assert token.scopes == {Scope.READ, Scope.SUBMIT}
    assert token.expires == 1_893_456_000_000_000


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "obelisk.example.com:80", "10.0.0.1:80"])
def test_a_listener_that_others_reach_needs_tokens_or_the_word_insecure(listen: str) -> None:
    server = f'[server]\nlisten = "{listen}"\n'
    with pytest.raises(InvalidConfig, match=r"there are no tokens: .*obelisk token new.* insecure = true"):
        parsed(server)
    assert not parsed(server + TOKEN).access.loopback
    assert not parsed(server + "insecure = true\n").access.tokens


def test_the_name_it_listens_on_is_a_name_it_answers_to_but_not_all_addresses() -> None:
    def hosts(listen: str) -> frozenset[str]:
        return parsed(f'[server]\nlisten = "{listen}"\nhosts = ["A.example"]\n' + TOKEN).access.hosts

    assert hosts("Obelisk.example:80") == {"a.example", "obelisk.example"}
    assert hosts("[fd00::1]:80") == {"a.example", "[fd00::1]"}
    assert hosts("0.0.0.0:80") == hosts("[::]:80") == {"a.example"}


def test_files_of_tls_and_audit_are_relative_to_the_configuration() -> None:
    tls = '[server.tls]\ncertificate = "tls/cert.pem"\nkey = "/keys/key.pem"\n'
    config = parsed('[server]\naudit = "audit.log"\n' + tls)
    assert config.access.tls is not None
    assert config.access.tls.certificate == Path("/etc/obelisk/tls/cert.pem")
    assert config.access.tls.key == Path("/keys/key.pem")
    assert config.audit == Path("/etc/obelisk/audit.log")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TOKEN.replace("submit", "write"), "read, submit, operate|'read', 'submit'"),
        (TOKEN.replace('["submit"]', "[]"), "scopes"),
        (TOKEN.replace('["submit"]', '["admin"]') + 'functions = ["shop:*"]', "admin.*for the whole server"),
        (TOKEN + 'functions = ["*:shop"]', r'such as "shop:\*"'),
        (TOKEN + "functions = []", "functions"),
        (TOKEN + 'expires = "2030-01-01"', "expected a time with its zone"),
        (TOKEN + "expires = 2030-01-01T00:00:00", "expected a time with its zone"),
        (TOKEN + TOKEN, "another token has this name"),
        (TOKEN + TOKEN.replace('"ci"', '"cj"'), "another token has this hash"),
        ('[server]\nhosts = ["a.example:80"]', "expected a name without a port"),
        ('[server]\norigins = ["a.example"]', "expected what a browser sends"),
        ('[server.tls]\ncertificate = "c.pem"', "'key' is required"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        parsed(text)


def test_a_token_in_place_of_its_hash_is_not_repeated() -> None:
    with pytest.raises(InvalidConfig) as refused:
        parsed(TOKEN.replace(HASH, "obelisk_verysecret"))
    assert 'expected "sha256:"' in str(refused.value)
    assert "verysecret" not in str(refused.value)
