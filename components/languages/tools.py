"""Where tools are, which version they have, and how one is run."""

import hashlib
import importlib.metadata
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from languages.language import BuildFailed, ToolMissing


def distribution(name: str, extra: str) -> str:
    """`name version` of a Python distribution, which an extra of this project brings. Raises: ToolMissing."""
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise ToolMissing(f"{name} is not installed in this Python: pip install 'obelisk-wasm[{extra}]'") from error


def run(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What a tool prints; variables of the environment come on top. Raises: BuildFailed with what it complains of."""
    tool = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if tool.returncode != 0:
        complaint = tool.stderr.strip() or tool.stdout.strip()
        raise BuildFailed(f"{complaint}\n{Path(command[0]).name} ended with {tool.returncode}")
    return tool.stdout


def cache_folder() -> Path:
    """Shared by all checkouts of a user: components that were built, and tools that were fetched."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "obelisk"


def digest(*contents: bytes) -> str:
    sha = hashlib.sha256()
    for content in contents:
        sha.update(b"%d\n" % len(content))
        sha.update(content)
    return sha.hexdigest()
