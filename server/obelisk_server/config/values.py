"""Kinds of values in obelisk.toml that are more than a text or a number."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.retry import SECOND
from obelisk_runtime.core.types import FunctionType
from obelisk_runtime.core.wit_text import WitSyntaxError, parse_function
from obelisk_runtime.registry import REGISTRY_PATTERN, ComponentUnavailable, Reference, find_component, is_reference
from obelisk_server.durations import EXPECTED, NotADuration, duration_text, parse_duration
from obelisk_server.durations import PATTERN as DURATION_PATTERN

STRICT = ConfigDict(frozen=True, strict=True, extra="forbid")
"""Of every table."""
DURATION_MAX = 100 * 365 * 86_400 * SECOND
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_LISTEN = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:]+)\]|(?P<host>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})")
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What values of a file depend on: given to validation as its context."""

    folder: Path
    """Relative paths are relative to it."""
    environ: Mapping[str, str]


def surroundings_of(info: ValidationInfo) -> Surroundings:
    assert isinstance(info.context, Surroundings)
    return info.context


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Replace `${VAR}` and `${VAR:-default}`. Raises: ValueError naming a variable that is not set."""

    def value(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        found = environ.get(name) or default
        if found is None:
            raise ValueError(f"the environment variable {name} is not set; set it or write ${{{name}:-default}}")
        return found

    return _VARIABLE.sub(value, text)


def _interpolated(text: str, info: ValidationInfo) -> str:
    return interpolate(text, surroundings_of(info).environ)


def _duration(value: Any) -> int:
    if not isinstance(value, str):
        raise NotADuration(value)
    duration = parse_duration(value)
    if duration > DURATION_MAX:
        raise ValueError(f"found {value!r}, expected at most {duration_text(DURATION_MAX)}")
    return duration


def _duration_above_zero(value: int) -> int:
    if value == 0:
        raise ValueError(f"found a duration of zero, expected {EXPECTED}")
    return value


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a listener is: a host (without brackets) and a port, 0 for any free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return _LOOPBACK.fullmatch(self.host) is not None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Listen":
        """Raises: ValueError."""
        match = _LISTEN.fullmatch(text)
        if match is None or int(match["port"]) > 65_535:
            raise ValueError(f'found {text!r}, expected "HOST:PORT", for example "127.0.0.1:8080"')
        return cls(match["ipv6"] or match["host"], int(match["port"]))


def _listen(text: Any, info: ValidationInfo) -> Listen:
    return Listen.parse(_interpolated(str(text), info))


def _component_location(text: str, info: ValidationInfo) -> str:
    try:
        return str(Reference.parse(text) if is_reference(text) else find_component(text, surroundings_of(info).folder))
    except ComponentUnavailable as error:
        raise ValueError(str(error)) from None


def _function(text: Any) -> Ffqn:
    """Of `FunctionName`; what is no text is refused as one that is no name."""
    try:
        return Ffqn.parse(str(text))
    except InvalidName as error:
        raise ValueError(str(error)) from None


def _function_type(text: Any) -> FunctionType:
    try:
        return parse_function(str(text))
    except WitSyntaxError as error:
        expected = "a function type as in WIT, for example func(order: u64) -> result<bool, string>"
        raise ValueError(f"found {text!r}, expected {expected}: {error}") from None


def _storage_url(text: str, info: ValidationInfo) -> str:
    """The file's own text is what errors show: the value of a variable may have a password."""
    url = _interpolated(text, info)
    scheme, colon, rest = url.partition(":")
    if scheme.startswith("postgres"):
        raise ValueError(f'found {text!r}, expected "sqlite:PATH": PostgreSQL is not supported yet')
    if scheme != "sqlite" or not colon or not rest:
        raise ValueError(f'found {text!r}, expected "sqlite:PATH", for example "sqlite:.obelisk/obelisk.db"')
    return url


_AS_TEXT = PlainSerializer(duration_text, return_type=str, when_used="json")
_TEXT_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^{DURATION_PATTERN}$"})
DurationOrZero = Annotated[int, BeforeValidator(_duration), _AS_TEXT, _TEXT_SCHEMA]
"""Microseconds, written as text."""
Duration = Annotated[int, BeforeValidator(_duration), AfterValidator(_duration_above_zero), _AS_TEXT, _TEXT_SCHEMA]
Interpolated = Annotated[str, AfterValidator(_interpolated)]
_LISTEN_SCHEMA = WithJsonSchema({"type": "string"})
_AS_LISTEN = PlainSerializer(str, return_type=str, when_used="json")
ListenAddress = Annotated[Listen, BeforeValidator(_listen), _AS_LISTEN, _LISTEN_SCHEMA]
ComponentLocation = Annotated[str, Field(min_length=1), AfterValidator(_component_location)]
_AS_NAME = PlainSerializer(str, return_type=str, when_used="json")
_NAME_SCHEMA = WithJsonSchema({"type": "string"})
FunctionName = Annotated[InstanceOf[Ffqn], BeforeValidator(_function), _AS_NAME, _NAME_SCHEMA]
FunctionSignature = Annotated[InstanceOf[FunctionType], BeforeValidator(_function_type), _AS_NAME, _NAME_SCHEMA]
StorageUrl = Annotated[str, AfterValidator(_storage_url)]
RegistryName = Annotated[str, Field(pattern=f"^(?:{REGISTRY_PATTERN})$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
