"""Directories of this machine that a component may use."""

import os
from collections import Counter
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo

from obelisk_runtime.core.deployment import Access, DirectoryGrant
from obelisk_server.config.values import STRICT, surroundings_of


def _existing_directory(text: str, info: ValidationInfo) -> str:
    path = surroundings_of(info).folder / text
    if not path.is_dir():
        found = "is not a directory" if path.exists() else "does not exist"
        raise ValueError(f"{path} {found}; make it, or correct the path")
    if not os.access(path, os.R_OK | os.X_OK):
        raise ValueError(f"{path} cannot be read by this user; change its permissions")
    return str(path)


def _guest_path(text: str) -> str:
    parts = text.split("/")[1:]
    if not text.startswith("/") or "\0" in text or (text != "/" and any(part in ("", ".", "..") for part in parts)):
        raise ValueError(f'found {text!r}, expected an absolute path without "." and "..", for example "/data"')
    return text


class DirectoryTable(BaseModel):
    """A directory that the guest sees under a name of its own."""

    model_config = STRICT

    host: Annotated[
        str,
        Field(min_length=1, description="A directory of this machine"),
        AfterValidator(_existing_directory),
    ]
    guest: Annotated[str, Field(description="What the guest calls it"), AfterValidator(_guest_path)]
    access: Annotated[Access, Field(strict=False, description="Whether it may write there")] = Access.READ_ONLY


def _unique(tables: tuple[DirectoryTable, ...]) -> tuple[DirectoryTable, ...]:
    name, count = Counter(table.guest for table in tables).most_common(1)[0] if tables else ("", 0)
    if count > 1:
        raise ValueError(f"{count} directories have the name {name!r} in the guest; choose another for each")
    return tables


Directories = Annotated[
    tuple[DirectoryTable, ...],
    Field(strict=False, description="Directories that the guest sees; none if absent"),
    AfterValidator(_unique),
]


def grants(tables: Iterable[DirectoryTable]) -> tuple[DirectoryGrant, ...]:
    return tuple(DirectoryGrant(table.host, table.guest, table.access) for table in tables)
