"""WebAssembly text: `component.wat`, assembled by wasmtime."""

from pathlib import Path

from languages import tools
from languages.language import BuildFailed, Language, Recipe


def build(recipe: Recipe, output: Path) -> None:
    from wasmtime import WasmtimeError, wat2wasm  # noqa: PLC0415  a missing tool gets a message of its own first

    try:
        output.write_bytes(wat2wasm((recipe.folder / "component.wat").read_text(encoding="utf-8")))
    except WasmtimeError as error:
        raise BuildFailed(str(error)) from error


LANGUAGE = Language(build, lambda: tools.distribution("wasmtime", "build"), ("wat",), slow=False)
