"""The `[secrets]` table of obelisk.toml: names of secrets and where their values are, never the values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.config.values import STRICT, surroundings_of

SECRET_BYTES_MAX = 64 * 1024


class SecretUnavailable(ObeliskError):
    """The variable or file of a secret is not there, or is empty."""


class SecretTable(BaseModel):
    """Where the value of one secret is: a variable of the server's environment, or a file."""

    model_config = STRICT

    env: Annotated[str | None, Field(min_length=1, description="A variable of the server's environment")] = None
    file: Annotated[str | None, Field(min_length=1, description="A file; a last line feed does not count")] = None

    @model_validator(mode="before")
    @classmethod
    def _is_one_place(cls, found: Any) -> Any:
        if not isinstance(found, dict) or len(found) != 1:  # pyright: ignore[reportUnknownArgumentType]
            raise ValueError('expected { env = "VARIABLE" } or { file = "PATH" }; a value is never in this file')
        return found  # pyright: ignore[reportUnknownVariableType]

    @field_validator("file")
    @classmethod
    def _absolute(cls, text: str, info: ValidationInfo) -> str:
        return str(surroundings_of(info).folder / text)


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Exactly one of them is given."""

    env: str | None = None
    file: Path | None = None

    def read(self, environ: Mapping[str, str]) -> bytes:
        """Raises: SecretUnavailable, whose message does not have the value."""
        value = self._in_file(self.file) if self.file is not None else environ.get(self.env or "", "").encode()
        if not value:
            where = f"the environment variable {self.env} is not set" if self.file is None else f"{self.file} is empty"
            raise SecretUnavailable(where)
        return value

    @staticmethod
    def _in_file(file: Path) -> bytes:
        try:
            with file.open("rb") as opened:
                value = opened.read(SECRET_BYTES_MAX + 1)
        except OSError as error:
            raise SecretUnavailable(f"{file} cannot be read: {error.strerror}") from error
        if len(value) > SECRET_BYTES_MAX:
            raise SecretUnavailable(f"{file} is larger than {SECRET_BYTES_MAX} bytes")
        return value.removesuffix(b"\n").removesuffix(b"\r")


def secret_sources(tables: Mapping[str, SecretTable]) -> dict[str, SecretSource]:
    return {
        name: SecretSource(table.env, None if table.file is None else Path(table.file))
        for name, table in tables.items()
    }


def unknown_secret(name: str, known: Iterable[str]) -> str:
    names = ", ".join(known)
    hint = f"known are {names}" if names else 'write [secrets] with NAME = { env = "VARIABLE" }'
    return f"there is no secret {name!r}; {hint}"
