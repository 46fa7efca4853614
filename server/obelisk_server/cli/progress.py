"""Progress of long work: bars on a terminal, plain lines in a pipe."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, Self

BAR_CHARACTERS = 30
STEPS = 100
"""A bar is drawn again when it has grown by this part of the whole."""


class Steps:
    """How far a number of steps is: on a terminal a bar, in a pipe a line for each step. Use it with `with`."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._terminal = out.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: "BaseException | TracebackType | None") -> None:
        self.clear()

    def show(self, what: str, done: int, total: int) -> None:
        """What begins now, after `done` of `total`."""
        text = f"{_filled(done, max(total, 1))}  {what}" if self._terminal else f"{what}\n"
        self._out.write(text)
        self._out.flush()

    def clear(self) -> None:
        """Before something else is printed: no bar is left on the terminal's line."""
        if self._terminal:
            self._out.write("\r\x1b[2K")
            self._out.flush()


class Bars:
    """A bar for each of several transfers, below one another; may be moved from any thread. Use it with `with`."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._lock = threading.Lock()
        self._lines: dict[str, tuple[int, int]] = {}
        """Name -> (received, in all)."""
        self._drawn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: "BaseException | TracebackType | None") -> None:
        with self._lock:
            self._lines.clear()

    def bar(self, name: str) -> Callable[[int, int], None]:
        """Tells how far the transfer of this name is: `(received, in all)`."""

        def move(received: int, total: int) -> None:
            with self._lock:
                self._move(name, received, max(total, 1))

        return move

    def _move(self, name: str, received: int, total: int) -> None:
        before, _ = self._lines.get(name, (-1, total))
        if before * STEPS // total == received * STEPS // total:
            return
        self._lines[name] = (received, total)
        if self._terminal:
            self._draw()
        elif received == total:
            print(f"{name}: {_size(total)}", file=self._out, flush=True)

    def _draw(self) -> None:
        width = max(map(len, self._lines))
        up = f"\x1b[{self._drawn}F" if self._drawn else ""
        lines = [f"\x1b[2K{_line(name.ljust(width), *at)}\n" for name, at in self._lines.items()]
        self._out.write(up + "".join(lines))
        self._out.flush()
        self._drawn = len(lines)


def _line(name: str, received: int, total: int) -> str:
    return f"{name}  {_filled(received, total)}  {received * 100 // total:3d} %  {_size(total)}"


def _filled(done: int, total: int) -> str:
    full = done * BAR_CHARACTERS // total
    return "█" * full + "░" * (BAR_CHARACTERS - full)


def _size(count: int) -> str:
    return (
        f"{count} B"
        if count < 1024
        else f"{count / 1024:.1f} KiB"
        if count < 1 << 20
        else f"{count / (1 << 20):.1f} MiB"
    )
