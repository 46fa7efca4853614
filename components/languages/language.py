"""What a language is to the builder, and what is being built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent
REPOSITORY = SOURCES.parent


class BuildFailed(Exception):
    """A component cannot be built; the message is for the person who typed the command."""


class ToolMissing(BuildFailed):
    """Names the tool that is not installed and what installs it."""


class OptionalToolMissing(BuildFailed):
    """The same of a tool that pip does not install."""


@dataclass(frozen=True)
class Recipe:
    """How a component is built: its folder and the `component.toml` in it."""

    name: str
    language: str
    options: Mapping[str, object]

    @property
    def folder(self) -> Path:
        return SOURCES / self.name

    @property
    def world(self) -> str:
        return self.name.replace("_", "-")


@dataclass(frozen=True)
class Language:
    build: Callable[[Recipe, Path], None]
    """Writes the component to a path. Raises: BuildFailed."""
    toolchain: Callable[[], str]
    """Names and versions of the tools. Raises: ToolMissing."""
    scripts: tuple[str, ...]
    """The modules of this folder that take part: a change of one builds again."""
    options: Mapping[str, type] = field(default_factory=dict[str, type])
    """Keys of component.toml beside `language`."""
    slow: bool = True
    """It takes seconds; slow builds are begun first."""
    optional: bool = False
    """pip does not bring its tools: without them, its components are left out when all are built."""
