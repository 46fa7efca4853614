"""HTTP requests of guests: `allowed_hosts` and `http` of a component, and the section `[http]`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, model_validator

from obelisk_runtime.core.allowed_hosts import AllowedHost, InvalidPattern, allow
from obelisk_runtime.core.deployment import MEBIBYTE, ComponentKind, HttpLimits
from obelisk_runtime.core.secrets import SECRET_BYTES_MIN, Secret
from obelisk_server.config.registry import PemFile
from obelisk_server.config.secrets import SecretSource, SecretUnavailable, unknown_secret
from obelisk_server.config.toml_lines import KeyPath
from obelisk_server.config.values import STRICT, Duration, Name

_LIMITS = HttpLimits()
_BODY_BYTES_MAX = 1024 * 1024 * MEBIBYTE
_Texts = Annotated[tuple[str, ...], Field(strict=False)]


class HttpTable(BaseModel):
    """How HTTP requests of guests are sent."""

    model_config = STRICT

    ca_file: Annotated[PemFile | None, Field(description="PEM certificates trusted beside the usual ones")] = None


class HttpLimitsTable(BaseModel):
    """Bounds of the HTTP requests of a component."""

    model_config = STRICT

    connections_max: Annotated[
        int, Field(ge=1, le=10_000, description="Requests under way at once; one more waits")
    ] = _LIMITS.connections_max
    request_bytes_max: Annotated[int, Field(ge=0, le=_BODY_BYTES_MAX, description="Body of a request")] = (
        _LIMITS.request_bytes_max
    )
    response_bytes_max: Annotated[int, Field(ge=0, le=_BODY_BYTES_MAX, description="Body of a response")] = (
        _LIMITS.response_bytes_max
    )
    connect_timeout: Annotated[
        Duration, Field(description="Until there is a connection, if the guest does not say")
    ] = _LIMITS.connect_timeout


class AllowedHostTable(BaseModel):
    """HTTP requests that a component may make. Without any it may make none."""

    model_config = STRICT

    pattern: Annotated[
        str,
        Field(
            description="`SCHEME://HOST[:PORT]`; the scheme http, https or `*`; the host a name, `*.NAME`, `*` or an "
            "address"
        ),
    ]
    methods: Annotated[_Texts, Field(description="In capitals; absent: any")] = ()
    paths: Annotated[_Texts, Field(description="Such as `/v1/*`; absent: any")] = ()
    private: Annotated[bool, Field(description="It may be at a loopback or private address")] = False
    secrets: Annotated[
        tuple[Name, ...], Field(strict=False, description="Names in [secrets] that requests may carry to it")
    ] = ()

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        try:
            self.allowed()
        except InvalidPattern as error:
            raise ValueError(str(error)) from None
        return self

    def allowed(self) -> AllowedHost:
        return allow(self.pattern, methods=self.methods, paths=self.paths, private=self.private, secrets=self.secrets)


class OutgoingTable(BaseModel):
    """What a component has that may make HTTP requests."""

    model_config = STRICT

    allowed_hosts: Annotated[
        tuple[AllowedHostTable, ...], Field(strict=False, description="HTTP requests that the guest may make")
    ] = ()
    http: Annotated[HttpLimitsTable, Field(description="Bounds of these requests")] = HttpLimitsTable()

    def secret_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for host in self.allowed_hosts for name in host.secrets))


class GrantedSecrets:
    """The values of the secrets that components may use. Each is read once."""

    def __init__(self, sources: Mapping[str, SecretSource], environ: Mapping[str, str]) -> None:
        self._sources, self._environ = sources, environ
        self._values: dict[str, Secret] = {}
        self._wrong: dict[str, str] = {}

    def settings(self, table: OutgoingTable) -> dict[str, Any]:
        """The part of ComponentSettings that is about HTTP, once there are no `problems`."""
        return {
            "allowed_hosts": tuple(host.allowed() for host in table.allowed_hosts),
            "http": HttpLimits(**dict(table.http)),
            "secrets": {name: self._values[name] for name in table.secret_names()},
        }

    def problems(
        self, kind: ComponentKind, tables: Iterable[tuple[int, OutgoingTable, Mapping[str, str]]]
    ) -> Iterator[tuple[KeyPath, str]]:
        """Of components of one kind: index, table, environment."""
        for index, table, env in tables:
            for at, host in enumerate(table.allowed_hosts):
                for name in host.secrets:
                    problem = self._read(name) or (_TAKEN.format(name) if name in env else None)
                    if problem is not None:
                        yield (kind.value, index, "allowed_hosts", at, "secrets"), problem

    def _read(self, name: str) -> str | None:
        """Why there is no such value; None: there is."""
        if name not in self._values and name not in self._wrong:
            source = self._sources.get(name)
            problem = unknown_secret(name, self._sources) if source is None else self._take(name, source)
            if problem is not None:
                self._wrong[name] = problem
        return self._wrong.get(name)

    def _take(self, name: str, source: SecretSource) -> str | None:
        try:
            value = source.read(self._environ)
        except SecretUnavailable as error:
            return f"the secret {name!r} has no value: {error}"
        if len(value) < SECRET_BYTES_MIN:
            return f"the secret {name!r} is too short, expected at least {SECRET_BYTES_MIN} bytes: {_SHORT}"
        self._values[name] = Secret(value)
        return None


_TAKEN = "the secret {0!r} is given to the guest as the variable {0}, and env has one of that name; rename one of them"
_SHORT = "it could not be taken out of logs without taking out other text"
