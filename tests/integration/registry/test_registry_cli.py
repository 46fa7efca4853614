"""`obelisk component …` against a real registry, in this process."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from wasmtime import wat2wasm

import registry_servers as servers
from obelisk_runtime.registry import Reference
from obelisk_server.cli import root

REPOSITORY = Path(__file__).parents[3]
COMPONENTIZE_PY = "import sys; from componentize_py import script; sys.exit(script())"
Location = Callable[[str], Reference]
STREAMS = """
(component
  (import "wasi:io/error@0.2.9" (instance $errors (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.9" (instance
    (export "output-stream" (type $stream (sub resource)))
    (alias outer 1 $error (type $outer))
    (export "error" (type $own-error (eq $outer)))
    (type $variant (variant (case "last-operation-failed" (own $own-error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $variant)))
    (type $result (result u64 (error $stream-error)))
    (export "[method]output-stream.check-write" (func (param "self" (borrow $stream)) (result $result))))))
"""
"""Resources, some of another interface of the package."""


@dataclass
class Shell:
    """Commands in a folder of their own."""

    folder: Path

    def run(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(root, arguments)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    def lines(self, *arguments: str) -> list[str]:
        return self.run(*arguments).stdout.splitlines()

    def refused(self, *arguments: str, code: int) -> str:
        return self.run(*arguments, code=code).stderr

    @property
    def toml(self) -> str:
        return (self.folder / "obelisk.toml").read_text(encoding="utf-8")

    @toml.setter
    def toml(self, text: str) -> None:
        (self.folder / "obelisk.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    for name in ("racer", "fibo_tiny", "shapes"):
        text = (REPOSITORY / "components" / name / "component.wat").read_text(encoding="utf-8")
        (tmp_path / f"{name}.wasm").write_bytes(wat2wasm(text))
    return Shell(tmp_path)


@pytest.fixture
def pushed(shell: Shell, anonymous: str, location: Location) -> tuple[str, str]:
    """(the tag, the digest reference) of `fibo_tiny`."""
    tag = str(location(anonymous))
    options = ("--source", "https://example.com/fibo", "--revision", "abc", "--licence", "MIT", "--annotation", "a=b")
    proposed = ("--env", "MODE=prod", "--env", "TOKEN", "--allowed-host", "GET,POST https://api.example.com")
    (pinned,) = shell.lines("component", "push", "fibo_tiny.wasm", tag, *options, *proposed)
    return tag, pinned


def test_push_prints_the_digest_reference_and_pull_gives_the_bytes(shell: Shell, pushed: tuple[str, str]) -> None:
    tag, pinned = pushed
    assert pinned.startswith(f"{tag}@sha256:")
    assert shell.lines("component", "pull", pinned, "-o", "out.wasm") == [pinned]
    assert (shell.folder / "out.wasm").read_bytes() == (shell.folder / "fibo_tiny.wasm").read_bytes()
    result = shell.run("component", "pull", tag, pinned)
    assert result.stdout.splitlines() == [pinned, pinned]
    assert shell.run("component", "push", "fibo_tiny.wasm", tag).stderr.startswith(f"{tag}: ")


def test_what_is_no_component_is_not_pushed(shell: Shell, anonymous: str, location: Location) -> None:
    tag = str(location(anonymous))
    (shell.folder / "core.wasm").write_bytes(wat2wasm("(module)"))
    (shell.folder / "cut.wasm").write_bytes((shell.folder / "shapes.wasm").read_bytes()[:100])
    assert "a core WebAssembly module" in shell.refused("component", "push", "core.wasm", tag, code=8)
    assert "not a valid component" in shell.refused("component", "push", "cut.wasm", tag, code=8)
    assert "does not exist" in shell.refused("component", "push", "none.wasm", tag, code=8)
    assert "is not there (404" in shell.refused("component", "pull", tag, code=3)
    assert "not a location" in shell.refused("component", "push", "shapes.wasm", "oci://x", code=2)


def test_inspect_shows_the_same_of_a_file_and_of_a_reference(shell: Shell, pushed: tuple[str, str]) -> None:
    tag, pinned = pushed
    told = json.loads(shell.run("component", "inspect", tag, "--json").stdout)
    seen = json.loads(shell.run("component", "inspect", "fibo_tiny.wasm", "--json").stdout)
    assert told["location"] == pinned
    assert told["exports"] == ["testing:fibo/fibo"]
    assert told["functions"] == ["testing:fibo/fibo.fibo: func(n: u8) -> result<u64>"]
    assert told["wasi"] == []
    assert [layer["media_type"] for layer in told["layers"]] == ["application/wasm"]
    assert told["annotations"]["org.opencontainers.image.source"] == "https://example.com/fibo"
    assert told["annotations"]["org.opencontainers.image.revision"] == "abc"
    assert told["annotations"]["org.opencontainers.image.licenses"] == "MIT"
    assert told["annotations"]["a"] == "b"
    assert "org.opencontainers.image.created" in told["annotations"]
    for key in ("component", "size", "exports", "imports", "functions", "producers", "wasi"):
        assert told[key] == seen[key], key
    assert (told["declared"], seen["declared"]) == (True, False)
    assert "testing:fibo/fibo.fibo: func(n: u8) -> result<u64>" in shell.run("component", "inspect", tag).stdout


@pytest.mark.parametrize("name", ["fibo_tiny", "racer", "shapes", "streams"])
def test_wit_is_text_that_other_tools_accept(shell: Shell, name: str) -> None:
    (shell.folder / "streams.wasm").write_bytes(wat2wasm(STREAMS))
    (shell.folder / "world.wit").write_text(shell.run("component", "wit", f"{name}.wasm").stdout)
    command = [sys.executable, "-c", COMPONENTIZE_PY, "-d", "world.wit", "-w", "root", "bindings", "bindings"]
    done = subprocess.run(command, cwd=shell.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_component_wants_of_wasi_is_shown(shell: Shell) -> None:
    (shell.folder / "streams.wasm").write_bytes(wat2wasm(STREAMS))
    assert "wasi       wasi:io@0.2.9\n" in shell.run("component", "inspect", "streams.wasm").stdout


def test_lock_writes_digests_and_keeps_the_rest(shell: Shell, pushed: tuple[str, str]) -> None:
    tag, pinned = pushed
    shell.toml = f'# top\n[[activity]]  # first\nname = "a"\nlocation = "{tag}"  # pulled\n'
    before = shell.toml
    assert "1 locations would change" in shell.refused("component", "lock", "--check", code=8)
    assert shell.toml == before
    assert shell.lines("component", "lock") == [f"{tag} -> {pinned}"]
    assert shell.toml == before.replace(tag, pinned)
    assert shell.lines("component", "lock", "--check") == ["every location has its digest"]
    (newer,) = shell.lines("component", "push", "shapes.wasm", tag)
    assert shell.lines("component", "lock") == ["every location has its digest"]
    assert shell.lines("component", "lock", "--update") == [f"{pinned} -> {newer}"]
    assert shell.toml == before.replace(tag, newer)


def test_add_writes_what_the_author_proposes_for_review(shell: Shell, pushed: tuple[str, str]) -> None:
    tag, pinned = pushed
    shell.toml = "# mine\n"
    result = shell.run("component", "add", tag, "--name", "fibo")
    assert "review what the component asks for: hosts https://api.example.com, variable MODE, variable TOKEN" in (
        result.stderr
    )
    assert "the environment variable TOKEN is not set" in result.stderr
    assert shell.toml.startswith(f'# mine\n\n[[activity]]\nname = "fibo"\nlocation = "{pinned}"\n# Proposed')
    assert 'allowed_hosts = [{pattern = "https://api.example.com", methods = ["GET", "POST"]}]' in shell.toml
    assert 'env = {MODE = "prod", TOKEN = "${TOKEN}"}' in shell.toml
    before = shell.toml
    assert "'fibo' already" in shell.refused("component", "add", tag, "--name", "fibo", code=8)
    assert shell.toml == before


def test_add_finds_out_the_kind(shell: Shell, anonymous: str, location: Location) -> None:
    tag = str(location(anonymous))
    shell.run("component", "push", "racer.wasm", tag)
    assert shell.lines("component", "add", tag, "--name", "racer")[0] == "[[workflow]]"


def test_lock_and_server_verify_insist_on_digests_when_told(shell: Shell, pushed: tuple[str, str]) -> None:
    tag, pinned = pushed
    shell.toml = f'[[activity]]\nname = "a"\nlocation = "{tag}"\n'
    assert "1 components, 1 functions" in shell.run("server", "verify").stdout
    said = shell.refused("server", "verify", "--locked", code=8)
    assert f"a: {tag} has no digest; write it down with `obelisk component lock`" in said
    shell.run("component", "lock")
    assert "1 components, 1 functions" in shell.run("server", "verify", "--locked").stdout
    assert pinned in shell.toml


def test_all_components_that_cannot_be_had_are_said_at_once(shell: Shell, pushed: tuple[str, str]) -> None:
    tag, _ = pushed
    shell.toml = "".join(
        f'[[activity]]\nname = "{name}"\nlocation = "{where}"\n'
        for name, where in (("a", f"{tag}-none"), ("b", "oci://127.0.0.1:9/x"), ("c", tag))
    )
    said = shell.refused("server", "verify", code=8)
    assert "a: oci://" in said
    assert "is not there (404" in said
    assert "b: oci://127.0.0.1:9/x: no connection to the registry" in said


def test_signing_verifying_and_the_policy(shell: Shell, anonymous: str, pushed: tuple[str, str]) -> None:
    tag, pinned = pushed
    key = ec.generate_private_key(ec.SECP256R1())
    (shell.folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (shell.folder / "key.pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    policy = f'[registry.policy]\nrequire_signatures = ["{anonymous}"]\npublic_keys = ["key.pub"]\n'
    shell.toml = f'[[activity]]\nname = "a"\nlocation = "{tag}"\n{policy}'
    assert "is not signed and [registry.policy] requires it" in shell.refused("server", "verify", code=8)
    assert "is not signed" in shell.refused("component", "verify", tag, code=8)
    assert shell.lines("component", "sign", tag, "--key", "key.pem") == [f"signed {pinned}"]
    assert "1 components" in shell.run("server", "verify").stdout
    shell.toml = ""
    assert json.loads(shell.run("component", "verify", tag, "--key", "key.pub", "--json").stdout) == {
        "location": pinned,
        "component": json.loads(shell.run("component", "inspect", tag, "--json").stdout)["component"],
        "signature": "verified",
        "exports": 1,
    }
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    (shell.folder / "other.pub").write_bytes(
        other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    said = shell.refused("component", "verify", tag, "--key", "other.pub", code=8)
    assert "is signed, but no signature is right: it was made with another key" in said


def test_the_cache_is_listed_and_pruned(shell: Shell, pushed: tuple[str, str]) -> None:
    tag, pinned = pushed
    shell.run("component", "pull", tag)
    items = json.loads(shell.run("component", "cache", "list", "--json").stdout)["items"]
    assert [item["locations"] for item in items if item["digest"] in pinned] == [[tag]]
    assert len(items) == 2
    assert shell.lines("component", "cache", "prune") == ["DIGEST  BYTES  USED  LOCATIONS"]
    assert len(shell.lines("component", "cache", "prune", "--unused", "0s")) == 3
    assert json.loads(shell.run("component", "cache", "list", "--json").stdout)["items"] == []


def test_a_password_that_is_missing_has_its_exit_code(shell: Shell, with_password: str, location: Location) -> None:
    tag = str(location(with_password))
    assert "log in with `docker login`" in shell.refused("component", "push", "shapes.wasm", tag, code=10)
    assert servers.PASSWORD not in shell.refused("component", "inspect", tag, code=10)


def test_two_processes_download_a_component_once(shell: Shell, proxy: servers.Proxy, location: Location) -> None:
    tag = str(location(proxy.address))
    shell.run("component", "push", "shapes.wasm", tag)
    proxy.seen.clear()
    command = [sys.executable, "-c", "from obelisk_server.cli import main; main()", "component", "pull", tag]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ended = [process.communicate() for process in processes]
    assert {out for out, _ in ended} == {ended[0][0]}
    assert [process.returncode for process in processes] == [0, 0, 0], ended
    digest = json.loads(shell.run("component", "inspect", tag, "--json").stdout)["component"]
    assert proxy.count("GET", digest) == 1


def test_offline_is_said(shell: Shell, anonymous: str, location: Location) -> None:
    with servers.proxy(anonymous) as gone:
        tag = str(location(gone.address))
        (pinned,) = shell.lines("component", "push", "shapes.wasm", tag)
        shell.run("component", "pull", tag)
        shell.run("component", "inspect", tag)
    for command in ("pull", "inspect", "verify"):
        result = shell.run("component", command, tag)
        assert pinned in result.stdout
        assert "offline: what was known of the tag was taken" in result.stderr
    assert shell.run("component", "pull", pinned).stderr.startswith(pinned)
    shell.toml = f'[[activity]]\nname = "a"\nlocation = "{tag}"\n'
    assert "no connection to the registry" in shell.refused("component", "lock", code=6)
