"""`--watch`: a list again and again, until Ctrl-C."""

import shutil
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext

import click

from obelisk_server.cli.changes import EVERY_SECONDS, Changes
from obelisk_server.cli.client import Json
from obelisk_server.cli.failure import Exit, Failure
from obelisk_server.cli.output import Command, print_json, print_lines

PAUSE_SECONDS = 0.25
"""What changes again meanwhile is read once."""
_OTHER_SCREEN, _FIRST_SCREEN = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _END_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def watch_option(command: Command) -> Command:
    return click.option("-w", "--watch", is_flag=True, help="Show it again as it changes, until Ctrl-C.")(command)


def show(
    read: Callable[[], Json],
    lines: Callable[[Json], list[str]],
    *,
    as_json: bool,
    watch: bool,
    changes: Changes | None = None,
) -> None:
    """What `read` answers, once, or until Ctrl-C, which is then the way to end: exit code 0.

    It is read again after `changes`, and every second where there are none. A terminal is redrawn; a pipe gets the
    whole list again, after an empty line, whenever it has changed. A server that goes away is waited for.
    Raises: Failure.
    """
    if not watch:
        _print(read(), lines, as_json=as_json)
        return
    with changes or nullcontext():
        _watch(read, lines, as_json=as_json, changes=changes)


def _watch(
    read: Callable[[], Json], lines: Callable[[Json], list[str]], *, as_json: bool, changes: Changes | None
) -> None:
    live = sys.stdout.isatty() and not as_json
    drawn: list[str] = []
    try:
        _print_raw(_OTHER_SCREEN if live else "")
        found: Json | None = None
        while True:
            before, found = found, _read_again(read, found)
            if live:
                drawn = lines(found)
                _print_raw(_screen(drawn))
            elif found != before:
                if before is not None and not as_json:
                    click.echo()
                _print(found, lines, as_json=as_json)
            time.sleep(EVERY_SECONDS if changes is None else PAUSE_SECONDS)
            if changes is not None:
                changes.wait()
    except KeyboardInterrupt:
        pass
    finally:
        _print_raw(_FIRST_SCREEN if live else "")
    print_lines(drawn)


def _read_again(read: Callable[[], Json], before: Json | None) -> Json:
    """Raises: Failure, but not if a server was there before."""
    while True:
        try:
            return read()
        except Failure as failure:
            if failure.code is not Exit.UNREACHABLE or before is None:
                raise
            time.sleep(EVERY_SECONDS)


def _print(found: Json, lines: Callable[[Json], list[str]], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        print_lines(lines(found))


def _print_raw(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _screen(lines: list[str]) -> str:
    """As many lines as the terminal is high; the last one says what is not shown."""
    height = shutil.get_terminal_size().lines
    hidden = len(lines) - height
    shown = lines if hidden <= 0 else [*lines[: height - 1], f"{hidden + 1} more lines"]
    return _HOME + "\n".join(line + _END_OF_LINE for line in shown) + _END_OF_SCREEN
