"""Credentials of registries as docker keeps them: `config.json`, and helpers that it names."""

import base64
import binascii
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from obelisk_runtime.registry.errors import InvalidCredentials

HELPER_SECONDS_MAX = 30.0
CONFIG_BYTES_MAX = 1024 * 1024
_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_NAME_OF_A_TOKEN = "<token>"  # noqa: S105 - helpers give it as the user name of an identity token


@dataclass(frozen=True, slots=True)
class UserPassword:
    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """To be exchanged for an access token."""

    token: str = field(repr=False)


Credential = UserPassword | IdentityToken


class _Auth(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _DockerConfig(msgspec.Struct, rename="camel"):
    auths: dict[str, _Auth] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class _HelperAnswer(msgspec.Struct, rename="pascal"):
    username: str
    secret: str


def find_credential(registry: str, environ: Mapping[str, str]) -> Credential | None:
    """From `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`. Blocking. Raises: InvalidCredentials."""
    file = _config_file(environ)
    config = _read(file)
    helper = config.cred_helpers.get(registry) or config.creds_store
    if helper:
        return _ask_helper(helper, registry, environ)
    for key in _keys(registry):
        if key in config.auths:
            return _of_file(config.auths[key], key, file)
    return None


def _config_file(environ: Mapping[str, str]) -> Path:
    folder = environ.get("DOCKER_CONFIG")
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return (Path(folder) if folder else home / ".docker") / "config.json"


def _read(file: Path) -> _DockerConfig:
    try:
        if file.stat().st_size > CONFIG_BYTES_MAX:
            raise InvalidCredentials(f"{file} is larger than {CONFIG_BYTES_MAX} bytes")
        return msgspec.json.decode(file.read_bytes(), type=_DockerConfig)
    except FileNotFoundError:
        return _DockerConfig()
    except OSError as error:
        raise InvalidCredentials(f"the credentials in {file} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise InvalidCredentials(f"the credentials in {file} cannot be read: {error}") from error


def _keys(registry: str) -> Iterator[str]:
    yield registry
    yield f"https://{registry}"
    yield f"https://{registry}/"
    yield f"http://{registry}"
    if registry in _DOCKER_HUB:
        yield _DOCKER_HUB_KEY


def _of_file(found: _Auth, key: str, file: Path) -> Credential | None:
    if found.identitytoken:
        return IdentityToken(found.identitytoken)
    if found.username:
        return UserPassword(found.username, found.password)
    if not found.auth:
        return None
    try:
        user, colon, password = base64.b64decode(found.auth, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = user = password = ""
    if not colon:
        raise InvalidCredentials(f"the credentials of {key} in {file} are broken; log in again")
    return UserPassword(user, password.rstrip("\0"))


def _ask_helper(name: str, registry: str, environ: Mapping[str, str]) -> Credential | None:
    """The protocol of docker's credential helpers: the registry on stdin, JSON on stdout."""
    program = f"docker-credential-{name}"
    if not name.replace("-", "").replace("_", "").isalnum():
        raise InvalidCredentials(f"{program!r} is no name of a credential helper")
    server = _DOCKER_HUB_KEY if registry in _DOCKER_HUB else registry
    try:
        done = subprocess.run(  # noqa: S603 - the user's own docker configuration names it
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=HELPER_SECONDS_MAX,
            check=False,
            env=dict(environ),
        )
    except FileNotFoundError:
        raise InvalidCredentials(f"the credential helper {program} is not on the PATH") from None
    except subprocess.TimeoutExpired:
        raise InvalidCredentials(f"the credential helper {program} took over {HELPER_SECONDS_MAX:.0f} s") from None
    if done.returncode != 0:
        said = (done.stdout or done.stderr).decode(errors="replace").strip()
        if "not found" in said:
            return None
        raise InvalidCredentials(f"the credential helper {program} failed for {server}: {said[:200]}")
    try:
        answer = msgspec.json.decode(done.stdout, type=_HelperAnswer)
    except msgspec.DecodeError:
        raise InvalidCredentials(f"the credential helper {program} gave no credentials that can be read") from None
    if answer.username == _NAME_OF_A_TOKEN:
        return IdentityToken(answer.secret)
    return UserPassword(answer.username, answer.secret)
