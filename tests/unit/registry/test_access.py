"""Challenges, where credentials and redirects may go, credentials of docker, and when to try again."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from obelisk_runtime.registry import Reference, RegistryLimits, RegistrySettings, SignaturePolicy
from obelisk_runtime.registry.challenge import BasicChallenge, BearerChallenge, parse_challenges
from obelisk_runtime.registry.credentials import Credential, IdentityToken, UserPassword, find_credential
from obelisk_runtime.registry.errors import (
    AccessDenied,
    InvalidCredentials,
    RateLimited,
    RedirectRefused,
    RegistryFailure,
    RegistryUnreachable,
)
from obelisk_runtime.registry.pace import delay_seconds
from obelisk_runtime.registry.responses import failure_of
from obelisk_runtime.registry.transport import Transport, redirect_target


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ()),
        ("Basic", (BasicChallenge(),)),
        ('Basic realm="a, b"', (BasicChallenge(),)),
        (
            'Bearer realm="https://auth.io/token",service="s",scope="repository:a/b:pull,push"',
            (BearerChallenge("https://auth.io/token", "s", "repository:a/b:pull,push"),),
        ),
        ('bearer REALM="https://a" , error=invalid_token', (BearerChallenge("https://a", None, None),)),
        ('Basic realm="x", Bearer realm="https://a"', (BasicChallenge(), BearerChallenge("https://a", None, None))),
        (r'Bearer realm="https://a/\"q\""', (BearerChallenge('https://a/"q"', None, None),)),
        ("Bearer service=x", ()),
        ('Negotiate, Digest realm="x", Basic realm="y"', (BasicChallenge(),)),
        ('"=,,==Bearer', ()),
    ],
)
def test_challenges_are_read(header: str, expected: tuple[object, ...]) -> None:
    assert parse_challenges(header) == expected


SETTINGS = RegistrySettings(
    insecure=frozenset({"lan:5000"}), token_hosts={"registry.example": ("auth.example",), "lan:5000": ()}
)


@pytest.mark.parametrize(
    ("realm", "registry", "with_credentials", "allowed"),
    [
        ("https://ghcr.io/token", "ghcr.io", True, True),
        ("https://ghcr.io:444/token", "ghcr.io:443", True, True),
        ("https://evil.example/token", "ghcr.io", True, False),
        ("https://evil.example/token", "ghcr.io", False, True),
        ("http://ghcr.io/token", "ghcr.io", True, False),
        ("http://ghcr.io/token", "ghcr.io", False, False),
        ("https://auth.example/t", "registry.example", True, True),
        ("https://auth.example/t", "other.example", True, False),
        ("https://auth.docker.io/token", "docker.io", True, True),
        ("https://gitlab.com/jwt/auth", "registry.gitlab.com", True, True),
        ("http://127.0.0.1:9/token", "127.0.0.1:5000", True, True),
        ("http://lan/token", "lan:5000", True, True),
        ("https://user@ghcr.io/token", "ghcr.io", True, False),
        ("file:///etc/passwd", "ghcr.io", False, False),
        ("https:///x", "ghcr.io", False, False),
    ],
)
def test_where_tokens_may_be_asked_for(realm: str, registry: str, with_credentials: bool, allowed: bool) -> None:
    problem = SETTINGS.realm_problem(realm, registry, with_credentials=with_credentials)
    assert (problem is None) is allowed, problem


@pytest.mark.parametrize(
    ("registry", "scheme"), [("ghcr.io", "https"), ("lan:5000", "http"), ("lan", "https"), ("10.0.0.1:5000", "https")]
)
def test_tls_is_required_but_of_registries_named_insecure(registry: str, scheme: str) -> None:
    transport = Transport(Reference(registry, "a"), SETTINGS, {})
    assert transport.find_scheme() == scheme
    transport.close()


def test_redirects_are_relative_or_absolute_and_stay_protected() -> None:
    assert redirect_target("https://a/v2/x", "/y") == "https://a/y"
    assert redirect_target("https://a/v2/x", "https://b/y?z") == "https://b/y?z"
    assert redirect_target("http://127.0.0.1/x", "http://127.0.0.1:1/y") == "http://127.0.0.1:1/y"
    for location in ("http://b/y", "ftp://b/y", "", "file:///etc/passwd"):
        with pytest.raises(RedirectRefused, match="it is not https"):
            redirect_target("https://a/v2/x", location)


@pytest.mark.parametrize(
    ("pattern", "required"),
    [("host:1", True), ("host", False), ("host:1/team/*", True), ("host:1/other/*", False), ("*", True), ("ho*", True)],
)
def test_a_policy_names_hosts_or_repositories(pattern: str, required: bool) -> None:
    assert SignaturePolicy((pattern,)).requires(Reference("host:1", "team/a")) is required
    assert not SignaturePolicy().requires(Reference("host:1", "team/a"))


def test_waits_grow_with_jitter_until_the_attempts_are_used_up() -> None:
    limits = RegistryLimits(attempts_max=3, backoff_seconds=1, retry_after_seconds_max=30)
    failure = RegistryUnreachable("x")
    assert [delay_seconds(failure, attempt, 0.0, limits) for attempt in (1, 2, 3)] == [0.5, 1.0, None]
    assert delay_seconds(failure, 2, 1.0, limits) == 2.0
    assert delay_seconds(AccessDenied("x"), 1, 0.0, limits) is None


def test_retry_after_is_seconds_or_a_date_and_bounded() -> None:
    limits = RegistryLimits(backoff_seconds=1, retry_after_seconds_max=30)
    date = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:28:20 GMT"}
    assert [
        delay_seconds(failure_of(429, headers, b"", "x"), 1, 0.0, limits)
        for headers in ({"Retry-After": "9"}, date, {"Retry-After": "31"}, {"Retry-After": "soon"}, {})
    ] == [9.0, 20.0, None, 0.5, 0.5]


def test_answers_of_any_size_and_form_make_a_failure() -> None:
    for body in (b"", b"<html>", b"[" * 100_000, b'{"errors": [{"code": "DENIED"}]}', b'{"errors": "x"}'):
        failure = failure_of(403, {}, body, "oci://h/a")
        assert isinstance(failure, AccessDenied)
        assert str(failure).startswith("oci://h/a: the registry denies access (403")
    assert isinstance(failure_of(418, {}, b"", "x"), RegistryFailure)
    assert isinstance(failure_of(429, {}, b"", "x"), RateLimited)


def docker(folder: Path, config: object) -> dict[str, str]:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:/usr/bin:/bin"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("registry", "auths", "expected"),
    [
        ("h", {}, None),
        ("h", {"h": {}}, None),
        ("h", {"other": {"auth": encoded("u:p")}}, None),
        ("h", {"h": {"auth": encoded("u:p:q")}}, UserPassword("u", "p:q")),
        ("h", {"https://h": {"auth": encoded("u:p")}}, UserPassword("u", "p")),
        ("h", {"h": {"username": "u", "password": "p"}}, UserPassword("u", "p")),
        ("h", {"h": {"auth": encoded("u:"), "identitytoken": "t"}}, IdentityToken("t")),
        ("docker.io", {"https://index.docker.io/v1/": {"auth": encoded("u:p")}}, UserPassword("u", "p")),
        ("h:5000", {"h": {"auth": encoded("u:p")}}, None),
    ],
)
def test_credentials_are_found_in_the_docker_config(
    tmp_path: Path, registry: str, auths: dict[str, Any], expected: Credential | None
) -> None:
    assert find_credential(registry, docker(tmp_path, {"auths": auths, "HttpHeaders": {}})) == expected


def test_the_docker_config_is_in_the_home_folder_by_default(tmp_path: Path) -> None:
    assert find_credential("h", {"HOME": str(tmp_path)}) is None
    (tmp_path / ".docker").mkdir()
    docker(tmp_path / ".docker", {"auths": {"h": {"auth": encoded("u:p")}}})
    assert find_credential("h", {"HOME": str(tmp_path)}) == UserPassword("u", "p")


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr((UserPassword("u", "secret"), IdentityToken("secret")))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("{", "cannot be read"),
        ({"auths": {"h": {"auth": "?"}}}, "are broken; log in again"),
        ({"auths": {"h": {"auth": encoded("nocolon")}}}, "are broken; log in again"),
        ({"credsStore": "missing"}, "docker-credential-missing is not on the PATH"),
        ({"credHelpers": {"h": "../evil"}}, "is no name of a credential helper"),
    ],
)
def test_credentials_that_cannot_be_read_are_said(tmp_path: Path, config: object, said: str) -> None:
    with pytest.raises(InvalidCredentials, match=said.replace("?", r"\?")):
        find_credential("h", docker(tmp_path, config))


def helper(folder: Path, script: str) -> dict[str, str]:
    program = folder / "docker-credential-test"
    program.write_text(f"#!/bin/sh\nread -r server\n{script}\n")
    program.chmod(0o755)
    return docker(folder, {"credHelpers": {"h": "test"}, "auths": {"other": {"auth": encoded("u:p")}}})


def test_a_helper_is_asked_with_the_registry_on_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = helper(
        tmp_path, 'echo "{\\"ServerURL\\": \\"$server\\", \\"Username\\": \\"$server\\", \\"Secret\\": \\"s\\"}"'
    )
    monkeypatch.setenv("PATH", environ["PATH"])
    assert find_credential("h", environ) == UserPassword("h", "s")
    assert find_credential("other", environ) == UserPassword("u", "p")
    helper(tmp_path, 'echo \'{"Username": "<token>", "Secret": "t"}\'')
    assert find_credential("h", environ) == IdentityToken("t")
    helper(tmp_path, 'echo "credentials not found in native keychain"; exit 1')
    assert find_credential("h", environ) is None


@pytest.mark.parametrize(
    ("script", "said"), [("echo locked >&2; exit 1", "failed for h: locked"), ("echo x", "no credentials that can be")]
)
def test_a_helper_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str) -> None:
    environ = helper(tmp_path, script)
    monkeypatch.setenv("PATH", environ["PATH"])
    with pytest.raises(InvalidCredentials, match=said):
        find_credential("h", environ)
