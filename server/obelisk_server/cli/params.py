"""Parameters, results and files as they are given on a command line."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from obelisk_server.cli.failure import Exit, Failure


def params_text(argument: str) -> str:
    """The JSON array meant by the text itself, by `-` for standard input, or by `@file`. Raises: Failure."""
    text = _given(argument)
    if not isinstance(_parsed(text, "the parameters are", "[10, 500]"), list):
        raise Failure(Exit.USAGE, "the parameters are a JSON array with one value for each, for example '[10, 500]'")
    return text


def result_text(argument: str) -> str:
    """The JSON of a result, given like parameters. Raises: Failure."""
    text = _given(argument)
    _parsed(text, "the result is", '{"ok": true}')
    return text


def _parsed(text: str, what: str, example: str) -> object:
    try:
        return json.loads(text)
    except RecursionError:
        raise Failure(Exit.USAGE, f"{what} nested too deep") from None
    except ValueError as error:
        raise Failure(Exit.USAGE, f"{what} not valid JSON: {error}; for example '{example}'") from None


def _given(argument: str) -> str:
    if argument == "-":
        return sys.stdin.read()
    if not argument.startswith("@"):
        return argument
    try:
        return Path(argument[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(Exit.USAGE, f"{argument[1:]} cannot be read: {error}") from error


def text_lines(file: TextIO) -> Iterator[str]:
    """Raises: Failure if it is no text."""
    try:
        yield from file
    except UnicodeDecodeError as error:
        raise Failure(Exit.USAGE, f"{file.name} is no UTF-8 text: {error}") from error


def tags_of(texts: tuple[str, ...]) -> dict[str, str]:
    """From `key=value` texts. Raises: Failure."""
    for text in texts:
        if "=" not in text:
            raise Failure(Exit.USAGE, f"the tag {text!r} is not KEY=VALUE")
    found = {text.partition("=")[0]: text.partition("=")[2] for text in texts}
    if len(found) < len(texts):
        raise Failure(Exit.USAGE, "a tag is given twice; each key has one value")
    return found
