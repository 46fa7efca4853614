"""Rust with std: `lib.rs`, by a rustc that has the target WASI preview1; zig links."""

import functools
import os
import shlex
import tempfile
from pathlib import Path

from languages import c, npm, tools, wit
from languages.language import BuildFailed, Language, Recipe, ToolMissing

_TARGETS = ("wasm32-wasip1", "wasm32-wasi")
"""The name since Rust 1.78, and the name before."""


# A library is initialized once, by the start-up code of a reactor; without it each export would do it again.
# Old versions of rustc begin with a flavour, which only other linkers know, and leave metadata in archives.
_LINKER = f"""#!/bin/sh
[ "$1" = -flavor ] && shift 2
exec {shlex.join(c.ZIG)} wasm-ld "$@" --no-fatal-warnings
"""


def build(recipe: Recipe, output: Path) -> None:
    rustc, libraries = _rustc()
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as name:
        core, linker = Path(name) / "core.wasm", Path(name) / "wasm-ld"
        wit.stage(recipe, core.parent / "wit")
        linker.write_text(_LINKER)
        linker.chmod(0o700)
        options = ("--target", libraries.name, "--edition=2021", "--crate-type=cdylib", "-Copt-level=s", "-Dwarnings")
        reactor = libraries / "lib" / "self-contained" / "crt1-reactor.o"
        arguments = (f"-Clink-arg={argument}" for argument in (reactor, "--export=_initialize"))
        linking = (f"-Clinker={linker}", "-Clinker-flavor=wasm-ld", "-Cstrip=symbols", *arguments)
        tools.run((rustc, *options, *linking, "-o", core, recipe.folder / "lib.rs"), core.parent)
        npm.component_of(core, recipe.world, output)


def _toolchain() -> str:
    rustc, libraries = _rustc()
    version = tools.run((rustc, "--version", "--verbose"), Path.cwd())
    return f"{version}, {libraries.name}, {c.zig()}, {npm.toolchain()}"


@functools.cache
def _rustc() -> tuple[Path, Path]:
    """The first rustc on the PATH that has std for a target, and where that is. Raises: ToolMissing."""
    for folder in os.get_exec_path():
        rustc = Path(folder, "rustc")
        try:
            libraries = Path(tools.run((rustc, "--print", "sysroot"), Path.cwd()).strip(), "lib", "rustlib")
        except (OSError, BuildFailed):
            continue  # there is none, or it is a rustup without a toolchain
        for target in _TARGETS:
            if (libraries / target).exists():
                return rustc, libraries / target
    raise ToolMissing(
        f"no rustc on the PATH has the target {_TARGETS[0]}: "
        f"rustup target add {_TARGETS[0]}, or Debian's rustc and libstd-rust-dev-wasm32"
    )


LANGUAGE = Language(build, _toolchain, ("c", "npm", "rust", "tools", "wit"), optional=True)
