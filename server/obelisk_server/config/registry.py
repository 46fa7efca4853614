"""The `[registry]` section of obelisk.toml."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, model_validator

from obelisk_runtime.registry import RegistrySettings, SignaturePolicy
from obelisk_server.config.values import STRICT, RegistryName, surroundings_of

KEY_BYTES_MAX = 64 * 1024


def _existing_file(text: str, info: ValidationInfo) -> str:
    path = surroundings_of(info).folder / text
    if not path.is_file():
        raise ValueError(f"{path} is not a file; correct the path")
    if path.stat().st_size > KEY_BYTES_MAX and info.field_name == "public_keys":
        raise ValueError(f"{path} is larger than {KEY_BYTES_MAX} bytes, which no key is")
    return str(path)


PemFile = Annotated[str, Field(min_length=1), AfterValidator(_existing_file)]
Names = Annotated[tuple[RegistryName, ...], Field(strict=False)]


class PolicyTable(BaseModel):
    """What is asked of components before they may run."""

    model_config = STRICT

    require_signatures: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(strict=False, description="Registries, or host/repository with `*` for any characters"),
    ] = ()
    public_keys: Annotated[
        tuple[PemFile, ...], Field(strict=False, description="PEM files; a signature by any of them will do")
    ] = ()

    @model_validator(mode="after")
    def _has_keys(self) -> Self:
        if self.require_signatures and not self.public_keys:
            raise ValueError("require_signatures asks for signatures that no key can verify; name the public_keys")
        return self


class RegistryTable(BaseModel):
    """How registries are spoken to. Loopback ones may be without TLS in any case."""

    model_config = STRICT

    insecure: Annotated[Names, Field(description="host[:port] of registries that are spoken to without TLS")] = ()
    ca_file: Annotated[PemFile | None, Field(description="PEM certificates trusted beside the usual ones")] = None
    token_hosts: Annotated[
        dict[RegistryName, Annotated[tuple[str, ...], Field(strict=False)]],
        Field(description="Other hosts that may see the credentials of a registry, to give tokens for them"),
    ] = {}
    policy: Annotated[PolicyTable, Field(description="What is asked of components")] = PolicyTable()


def registry_settings(table: RegistryTable) -> RegistrySettings:
    """Reads the keys."""
    keys = tuple(Path(file).read_bytes() for file in table.policy.public_keys)
    return RegistrySettings(
        insecure=frozenset(table.insecure),
        ca_file=None if table.ca_file is None else Path(table.ca_file),
        token_hosts=table.token_hosts,
        policy=SignaturePolicy(table.policy.require_signatures, keys),
    )
