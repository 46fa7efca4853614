"""A real server with TLS and tokens, the command line against it, and both replaced while it runs."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from http_peers import Authority
from obelisk_server.access.tokens import new_token
from server_process import OBELISK

ROOT, OLD, NEW = (new_token(name.ljust(32)) for name in (b"root", b"old", b"new"))
SERVER = """
[server]
listen = "127.0.0.1:0"
audit = "audit.log"
[server.tls]
certificate = "server.pem"
key = "server.pem"
[webhooks]
listen = "127.0.0.1:0"
[webhooks.tls]
certificate = "server.pem"
key = "server.pem"
[limits]
shutdown = "0s"
"""
STUB = """
[[stub]]
function = "shop:approval/manager.decide"
params = "func(order: u64) -> result<bool, string>"
"""
TOKEN = """
[[token]]
name = "{name}"
hash = "{hash}"
scopes = ["{scope}"]
"""


@dataclass
class Ended:
    code: int
    out: str
    err: str


@dataclass
class Machine:
    """A folder with an obelisk.toml, and what runs in it."""

    folder: Path
    url: str = ""
    hooks: str = ""
    pid: int = 0

    def hang_up(self) -> str:
        """Send SIGHUP, after moving the audit log away, and wait for what the new one says came of it."""
        log = self.folder / "audit.log"
        log.rename(self.folder / "moved.log")
        os.kill(self.pid, signal.SIGHUP)
        while not (log.exists() and log.read_text(encoding="utf-8").endswith("\n")):
            time.sleep(0.005)
        (line,) = map(json.loads, log.read_text(encoding="utf-8").splitlines())
        assert (line["who"], line["operation"]) == ("SIGHUP", "reload")
        return line["outcome"]

    def write(self, *tokens: tuple[str, str, tuple[str, str]], server: str = SERVER) -> None:
        given = [TOKEN.format(name=name, scope=scope, hash=hash_) for name, scope, (_, hash_) in tokens]
        (self.folder / "obelisk.toml").write_text(server + "".join(given), encoding="utf-8")

    def certificate(self, authority: str, key: rsa.RSAPrivateKey | None = None) -> Authority:
        """A new one, of an authority of its own; with a key on an elliptic curve if none is given."""
        folder = self.folder / authority
        folder.mkdir()
        made = Authority(folder)
        made.server("127.0.0.1", key=key)
        (folder / "server.pem").replace(self.folder / "server.pem")
        return made

    def run(self, *arguments: str, **environ: str) -> Ended:
        surroundings = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.folder), **environ}
        if self.url:
            surroundings["OBELISK_SERVER"] = self.url
        done = subprocess.run(
            [*OBELISK, *arguments], cwd=self.folder, env=surroundings, capture_output=True, text=True, check=False
        )
        return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def served(machine: Machine) -> Iterator[tuple[Machine, Authority]]:
    """Its log and audit log never have a token."""
    authority = machine.certificate("first")
    machine.write(("root", "admin", ROOT), ("ci", "read", OLD))
    process = subprocess.Popen(
        [*OBELISK, "server", "run"], cwd=machine.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    machine.url = process.stdout.readline().removeprefix("serving on ").strip()
    machine.hooks = process.stdout.readline().removeprefix("webhooks on ").strip()
    assert machine.url.startswith("https://"), process.communicate()
    machine.pid = process.pid
    yield machine, authority
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=240)
    for token, _ in (ROOT, OLD, NEW):
        assert token not in out + err + (machine.folder / "audit.log").read_text(encoding="utf-8")


def connected(url: str, authority: Authority) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(authority.file))
    return http.client.HTTPSConnection(url.removeprefix("https://"), context=context, timeout=240)


def status(connection: http.client.HTTPSConnection, token: str, path: str = "/v1/executions") -> int:
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_the_command_line_is_let_in_with_a_token_and_a_certificate_that_it_trusts(
    served: tuple[Machine, Authority],
) -> None:
    machine, authority = served
    (machine.folder / "token").write_text(OLD[0] + "\n", encoding="utf-8")
    ca_file = str(authority.file)
    trusted = {"SSL_CERT_FILE": ca_file}
    assert machine.run("execution", "list", "--ca-file", ca_file, "--token-file", "token").code == 0
    assert machine.run("execution", "list", **trusted, OBELISK_TOKEN=OLD[0]).code == 0

    untrusted = machine.run("execution", "list", OBELISK_TOKEN=OLD[0])
    assert (untrusted.code, "is not trusted" in untrusted.err, "--ca-file" in untrusted.err) == (5, True, True)
    nobody = machine.run("execution", "list", **trusted)
    assert (nobody.code, "OBELISK_TOKEN or --token-file" in nobody.err) == (10, True)
    reader = machine.run("server", "reload", **trusted, OBELISK_TOKEN=OLD[0])
    assert (reader.code, "the scope 'admin', which the token ci does not have" in reader.err) == (10, True)
    wrong = machine.run("execution", "list", **trusted, OBELISK_TOKEN="not one")
    assert (wrong.code, "not one" in wrong.err) == (2, False)
    no_file = machine.run("execution", "list", "--token-file", "nothing")
    assert (no_file.code, "nothing" in no_file.err) == (2, True)

    lines = [json.loads(line) for line in (machine.folder / "audit.log").read_text(encoding="utf-8").splitlines()]
    assert [(it["who"], it["operation"], it["outcome"]) for it in lines] == [("ci", "reload", "403 scope-needed")]


def test_tokens_and_certificates_are_replaced_under_open_connections(served: tuple[Machine, Authority]) -> None:
    machine, first = served
    with closing(connected(machine.url, first)) as open_before:
        assert status(open_before, OLD[0]) == 200
        machine.write(("root", "admin", ROOT), ("ci", "read", NEW))
        second = machine.certificate("second")
        reloaded = machine.run("server", "reload", SSL_CERT_FILE=str(first.file), OBELISK_TOKEN=ROOT[0])
        assert (reloaded.code, reloaded.err) == (0, "")
        same = open_before.sock
        assert status(open_before, OLD[0]) == 401
        assert status(open_before, NEW[0]) == 200
        assert open_before.sock is same
    for url, path in ((machine.url, "/v1/executions"), (machine.hooks, "/")):
        with closing(connected(url, second)) as fresh:
            assert status(fresh, NEW[0], path) in (200, 404)
        with closing(connected(url, first)) as distrusted, pytest.raises(ssl.SSLCertVerificationError):
            distrusted.connect()


def test_sighup_replaces_tokens_certificates_and_a_moved_audit_log_or_nothing(
    served: tuple[Machine, Authority],
) -> None:
    machine, first = served
    trusted = {"SSL_CERT_FILE": str(first.file), "OBELISK_TOKEN": ROOT[0]}
    machine.write(("root", "admin", ROOT), ("ci", "read", OLD), server=SERVER + STUB)
    assert machine.hang_up() == "reloaded"
    with closing(connected(machine.url, first)) as open_before, closing(connected(machine.url, first)) as streaming:
        assert status(open_before, OLD[0]) == 200
        streaming.request("GET", "/v1/stream", headers={"Authorization": f"Bearer {OLD[0]}"})
        stream = streaming.getresponse()
        assert stream.readline().startswith(b"retry:")

        second = machine.certificate("second", rsa.generate_private_key(65537, 2048))
        machine.write(("root", "admin", ROOT), ("ci", "read", NEW), server=SERVER + STUB)
        assert machine.hang_up() == "reloaded"
        same = open_before.sock
        assert (status(open_before, OLD[0]), status(open_before, NEW[0])) == (401, 200)
        assert open_before.sock is same
        trusted["SSL_CERT_FILE"] = str(second.file)
        told = machine.run("execution", "submit", "decide", "[1]", **trusted).out.strip()
        assert told.startswith("E_")
        assert told.encode() not in stream.read()  # which ends

        machine.certificate("third")
        (machine.folder / "server.pem").rename(machine.folder / "other.pem")
        machine.certificate("fourth")
        wrong = SERVER.replace('key = "server.pem"', 'key = "other.pem"') + STUB
        machine.write(("root", "admin", OLD), server=wrong)
        assert machine.hang_up() == "nothing was reloaded"
        assert (status(open_before, OLD[0]), status(open_before, NEW[0])) == (401, 200)
    for url, path in ((machine.url, "/v1/executions"), (machine.hooks, "/")):
        with closing(connected(url, second)) as fresh:
            assert status(fresh, NEW[0], path) in (200, 404)


def test_pages_mind_under_which_name_they_are_asked_and_say_what_they_may_load(
    served: tuple[Machine, Authority],
) -> None:
    machine, authority = served
    with closing(connected(machine.url, authority)) as connection:
        for path in ("/", "/executions/E_1", "/favicon.svg", "/nothing", "/healthz"):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert answer.headers["Content-Security-Policy"].startswith(("default-src 'self'", "default-src 'none'"))
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            connection.request("GET", path, headers={"Host": "evil.example"})
            refused = connection.getresponse()
            refused.read()
            assert refused.status == (200 if path == "/healthz" else 403)
    with closing(connected(machine.hooks, authority)) as connection:
        connection.request("GET", "/")
        assert connection.getresponse().headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_a_certificate_that_is_broken_changes_nothing(served: tuple[Machine, Authority]) -> None:
    machine, authority = served
    machine.write(("root", "admin", NEW))
    (machine.folder / "server.pem").write_text("not PEM", encoding="utf-8")
    refused = machine.run("server", "reload", SSL_CERT_FILE=str(authority.file), OBELISK_TOKEN=ROOT[0])
    assert (refused.code, "[server.tls]" in refused.err, "server.pem" in refused.err) == (8, True, True)
    machine.certificate("second")
    (machine.folder / "server.pem").rename(machine.folder / "other.pem")
    machine.certificate("third")
    machine.write(("root", "admin", NEW), server=SERVER.replace('key = "server.pem"', 'key = "other.pem"'))
    unfit = machine.run("server", "reload", SSL_CERT_FILE=str(authority.file), OBELISK_TOKEN=ROOT[0])
    assert (unfit.code, "other.pem is not the one of the certificate" in unfit.err) == (8, True)
    with closing(connected(machine.url, authority)) as connection:
        assert (status(connection, ROOT[0]), status(connection, NEW[0])) == (200, 401)


def test_a_key_of_another_certificate_is_refused_at_the_start(machine: Machine) -> None:
    for name in ("first", "second"):
        machine.certificate(name)
        (machine.folder / "server.pem").replace(machine.folder / f"{name}.pem")
    machine.write(server=SERVER.replace('key = "server.pem"', 'key = "second.pem"').replace("server.pem", "first.pem"))
    refused = machine.run("server", "run")
    assert (refused.code, "is not the one of the certificate" in refused.err) == (8, True)


def test_a_file_that_is_not_there_is_named(machine: Machine) -> None:
    machine.write()
    refused = machine.run("server", "verify")
    assert (refused.code, "server.pem cannot be read: No such file" in refused.err) == (8, True)


def test_a_listener_that_others_reach_does_not_start_without_tokens(machine: Machine) -> None:
    server = '[server]\nlisten = "0.0.0.0:0"\n'
    machine.write(server=server)
    refused = machine.run("server", "run")
    assert (refused.code, "`obelisk token new`" in refused.err) == (8, True)
    machine.write(("ci", "read", OLD), server=server)
    assert machine.run("server", "verify").code == 0
    machine.write(server=server + "insecure = true\n")
    assert machine.run("server", "verify").code == 0


def test_a_new_token_is_printed_once_with_what_the_server_needs_to_know(machine: Machine) -> None:
    options = ("--name", "ci", "--scope", "submit", "--function", "shop:*", "--expires", "2030-01-01")
    made, other = machine.run("token", "new", *options), machine.run("token", "new", *options)
    assert made.out.startswith("obelisk_")
    assert made.out != other.out
    assert made.out.strip() not in made.err
    toml = made.err.partition("\n\n")[2].partition("\n\n")[0]
    (machine.folder / "obelisk.toml").write_text(toml, encoding="utf-8")
    assert machine.run("server", "verify").code == 0
    wrong = machine.run("token", "new", "--name", "ci", "--scope", "admin", "--function", "shop:*")
    assert (wrong.code, wrong.out, "whole server" in wrong.err) == (2, "", True)
