"""How registries are used: who may be spoken to how, what is asked of artifacts, and every bound."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from obelisk_runtime.registry.files import COMPONENT_BYTES_MAX
from obelisk_runtime.registry.reference import Reference, host_of, is_loopback

KNOWN_TOKEN_HOSTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "docker.io": ("auth.docker.io",),
        "registry-1.docker.io": ("auth.docker.io",),
        "registry.gitlab.com": ("gitlab.com",),
    }
)
"""Registries whose tokens are given by another host."""


@dataclass(frozen=True, slots=True)
class RegistryLimits:
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    """Silence after which a registry has stalled."""
    transfer_seconds: float = 900.0
    """How long one blob may take in all."""
    attempts_max: int = 4
    backoff_seconds: float = 0.25
    """Before the second attempt; doubled for each further one, and drawn between half of it and all of it."""
    retry_after_seconds_max: float = 30.0
    """A registry that asks to wait longer is not waited for."""
    redirects_max: int = 5
    manifest_bytes_max: int = 4 * 1024 * 1024
    """Manifests, configs, signatures and tokens."""
    component_bytes_max: int = COMPONENT_BYTES_MAX
    transfers_max: int = 4
    """Pulls at once."""
    signatures_max: int = 64
    """Signatures of one artifact that are looked at."""


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    require: tuple[str, ...] = ()
    """`host[:port]`, or `host[:port]/repository` with `*` for any characters."""
    public_keys: tuple[bytes, ...] = ()
    """PEM; a signature of any of them will do."""

    def requires(self, reference: Reference) -> bool:
        name = f"{reference.registry}/{reference.repository}"
        return any(fnmatchcase(name if "/" in pattern else reference.registry, pattern) for pattern in self.require)


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    insecure: frozenset[str] = frozenset()
    """Registries, as written in locations, that are spoken to without TLS; loopback ones are in any case."""
    ca_file: Path | None = None
    """PEM certificates that are trusted beside the usual ones."""
    token_hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Hosts beside its own that may see the credentials of a registry to make tokens of them."""
    policy: SignaturePolicy = SignaturePolicy()
    limits: RegistryLimits = RegistryLimits()

    def realm_problem(self, realm: str, registry: str, *, with_credentials: bool) -> str | None:
        """Why no token may be asked for at this address; None if it may."""
        parts = urlsplit(realm)
        host = parts.hostname or ""
        unprotected_ok = registry in self.insecure or is_loopback(host_of(registry))
        if parts.scheme != "https" and not (parts.scheme == "http" and unprotected_ok):
            return "it is not https"
        if parts.username is not None or not host:
            return "it is not an address of a host"
        own = {host_of(registry).strip("[]").lower()}
        allowed = own.union(KNOWN_TOKEN_HOSTS.get(registry, ()), self.token_hosts.get(registry, ()))
        if with_credentials and host not in allowed:
            return f"{host} may not see the credentials of {registry}; allow it with [registry] token_hosts"
        return None
