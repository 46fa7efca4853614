"""What is wrong with an obelisk.toml, each with its place, all at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.config.toml_lines import KeyPath


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    file: Path
    line: int | None
    key: KeyPath
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else str(self.file)
        return f"{place}: {key_text(self.key)}: {self.message}" if self.key else f"{place}: {self.message}"


class InvalidConfig(ObeliskError):
    """The file cannot be used; nothing was started."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def key_text(path: KeyPath) -> str:
    """`activity[0].retries.max`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
