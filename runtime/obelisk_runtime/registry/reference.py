"""Locations in registries: `oci://host[:port]/repository[:tag][@sha256:...]`.

The grammar of hosts, repositories and tags is that of the OCI distribution specification.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.registry.errors import InvalidReference

SCHEME = "oci://"
DEFAULT_TAG = "latest"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REGISTRY_PATTERN = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?"
"""`host[:port]`."""
_REGISTRY = re.compile(REGISTRY_PATTERN)
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]|::1")
_REPOSITORY_CHARACTERS_MAX = 255
_DOCKER_HUB = "docker.io"
_DOCKER_HUB_API = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Reference:
    registry: str
    """Host and port as written."""
    repository: str
    tag: str | None = None
    digest: Digest | None = None
    """Of the manifest. It decides; the tag is then for people."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: InvalidReference."""
        if not text.startswith(SCHEME):
            raise InvalidReference(text, f"it does not start with {SCHEME}")
        registry, slash, path = text.removeprefix(SCHEME).partition("/")
        name, at, digest = path.partition("@")
        repository, colon, tag = name.partition(":")
        host = _REGISTRY.fullmatch(registry)
        if host is None or int(host["port"] or 0) > 65_535:
            raise InvalidReference(text, f"{registry!r} is not a host with or without a port")
        if not slash or _REPOSITORY.fullmatch(repository) is None or len(repository) > _REPOSITORY_CHARACTERS_MAX:
            raise InvalidReference(text, f"{repository!r} is not a repository (lower-case names separated by slashes)")
        if colon and _TAG.fullmatch(tag) is None:
            raise InvalidReference(text, f"{tag!r} is not a tag")
        if at and _DIGEST.fullmatch(digest) is None:
            raise InvalidReference(text, f"{digest!r} is not a digest")
        return cls(registry, repository, tag if colon else None, Digest(digest) if at else None)

    @property
    def selector(self) -> str:
        """What names the manifest: the digest, else the tag, else the default tag."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def endpoint(self) -> str:
        """Where the API is: the registry itself, but for Docker Hub."""
        return _DOCKER_HUB_API if self.registry in (_DOCKER_HUB, f"index.{_DOCKER_HUB}") else self.registry

    @property
    def loopback(self) -> bool:
        return is_loopback(host_of(self.registry))

    def pinned(self, digest: Digest) -> "Reference":
        return replace(self, digest=digest)

    def at(self, tag: str) -> "Reference":
        """Another tag of the repository."""
        return replace(self, tag=tag, digest=None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{SCHEME}{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")


def is_reference(location: str) -> bool:
    """Whether a location is meant to be in a registry rather than a path."""
    return location.startswith(SCHEME)


def host_of(registry: str) -> str:
    """Without the port."""
    match = _REGISTRY.fullmatch(registry)
    return match["host"] if match else registry


def is_loopback(host: str) -> bool:
    return _LOOPBACK.fullmatch(host) is not None
