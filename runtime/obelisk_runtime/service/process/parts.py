"""Parts of the runtime that run as long as the process does, such as the dispatcher."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from obelisk_runtime.service.process.node import Node, logger

REST_SECONDS = 1.0
"""Between the failure of a part and its next beginning."""


class Parts:
    """None of them may end. One that fails has met a bug: that is logged and shown, and it begins again."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._failed: dict[str, str] = {}

    @property
    def trouble(self) -> str | None:
        """What does not run at the moment, and why."""
        return next(iter(self._failed.values()), None)

    def start(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """`run`: works until it is cancelled, and can begin again."""
        self._node.spawn(self._keep(name, run))

    async def _keep(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001 - a bug; without this part nothing would go on until a restart
                logger.exception("a part of the runtime failed; it begins again", extra={"part": name})
                self._failed[name] = f"the {name} failed and begins again: {type(error).__name__}; the log says more"
            await asyncio.sleep(REST_SECONDS)
            self._failed.pop(name, None)
