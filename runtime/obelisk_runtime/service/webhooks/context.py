"""What host functions know of a webhook's call: its execution begins when it needs one."""

import logging
from collections.abc import Callable, Mapping

from obelisk_runtime.core.ids import ExecutionId, JoinSetId
from obelisk_runtime.ports.store import LogRecord
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.guests.real_world import RealWorld
from obelisk_runtime.service.process.logs import LogWriter, Record
from obelisk_runtime.service.process.node import Node, logger
from obelisk_runtime.service.webhooks.run import WebhookRun

LINES_KEPT_MAX = 1_000
"""Lines of a guest that has no execution (yet)."""
_RUN = 1
"""It runs once."""


class WebhookContext(RealWorld):
    def __init__(
        self, node: Node, component: DeployedComponent, execution_id: ExecutionId, begin: Callable[[], WebhookRun]
    ) -> None:
        """`execution_id`: of the execution that it has, or would have."""
        self._lines = _Lines(node.logs, component.settings.name)
        super().__init__(node, component.settings, execution_id, _RUN, self._lines)
        self.begun: WebhookRun | None = None
        """Its execution, if it has one."""
        self.join_sets: Mapping[int, JoinSetId] = {}
        self.dropped: list[JoinSetId] = []
        """None: webhooks have no join sets of their own."""
        self._begin = begin

    @property
    def run(self) -> WebhookRun:
        """Its execution, which begins now if it has not."""
        if self.begun is None:
            self.begun = self._begin()
            self._lines.begin()
        return self.begun

    def end(self, *, failed: bool) -> None:
        """The guest has ended."""
        self.end_log()
        self._lines.end(logging.WARNING if failed else logging.DEBUG)


class _Lines:
    """Records of the execution, once there is one; without one they are lines of the server's own log, at debug, or as
    warnings if the guest fails."""

    def __init__(self, writer: LogWriter, webhook: str) -> None:
        self._writer = writer
        self._webhook = webhook
        self._kept: list[Record] = []
        self._begun = False
        self.redact = writer.redact

    def write(self, record: Record) -> None:
        if self._begun:
            self._writer.write(record)
        else:
            self._kept.append(record)
            if len(self._kept) > LINES_KEPT_MAX:
                self._tell(self._kept.pop(0), logging.DEBUG)

    def begin(self) -> None:
        self._begun = True
        for record in self._kept:
            self._writer.write(record)
        self._kept.clear()

    def end(self, level: int) -> None:
        for record in self._kept:
            self._tell(record, level)
        self._kept.clear()

    def _tell(self, record: Record, level: int) -> None:
        if not logger.isEnabledFor(level):
            return
        if isinstance(record, LogRecord):
            fields = {"webhook": self._webhook, "source": record.source, "text": record.message}
            logger.log(level, "a webhook wrote", extra=fields)
        else:
            made = record.made
            fields = {"method": made.method, "url": made.url, "status": made.status, "error": made.error}
            logger.log(level, "a webhook made a request", extra={"webhook": self._webhook, **fields})
