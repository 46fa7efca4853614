"""Futures that tell at once: a turn of the event loop between a commit and the guest it wakes is a delay of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Prompt(asyncio.Future[T]):
    """A future that calls one listener as soon as it is done; callbacks have to wait for the next turn of the loop.

    Whoever ends it must be ready for what the listener does. A failing listener is reported like a failing callback.
    """

    _listener: "Callable[[asyncio.Future[T]], None] | None" = None

    def listen(self, listener: "Callable[[asyncio.Future[T]], None]") -> None:
        assert self._listener is None, "a prompt future has one listener"
        self._listener = listener

    def set_result(self, result: T) -> None:
        super().set_result(result)
        self._tell()

    def set_exception(self, exception: type[BaseException] | BaseException) -> None:
        super().set_exception(exception)
        self._tell()

    def cancel(self, msg: Any = None) -> bool:
        cancelled = super().cancel(msg)
        if cancelled:
            self._tell()
        return cancelled

    def _tell(self) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return
        try:
            listener(self)
        except Exception as error:  # noqa: BLE001 - as the loop does for callbacks: not the failure of who ended it
            self.get_loop().call_exception_handler({"message": "a listener failed", "exception": error, "future": self})


def when_done(answer: Awaitable[T], listener: "Callable[[asyncio.Future[T]], None]") -> None:
    """Call the listener with the future once it is done: at once if it is prompt, never before this returns."""
    future = asyncio.ensure_future(answer)
    if isinstance(future, Prompt) and not future.done():
        cast("Prompt[T]", future).listen(listener)
    else:
        future.add_done_callback(listener)
