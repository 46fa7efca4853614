"""The bounds of a workflow's history."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import History
from obelisk_runtime.core.history_size import WARNED_AT, HistoryLimits
from obelisk_runtime.ports.engine import GuestTrap
from obelisk_runtime.service.process.node import Node


def keep_within_limits(history: History, node: Node) -> None:
    """Warn once, well before the end. Raises: GuestTrap, at the end."""
    limits = HistoryLimits(node.limits.history_events_max, node.limits.history_bytes_max)
    share = limits.share(history.version, history.bytes)
    if history.replaying or share < WARNED_AT:
        return
    if share >= 1:
        raise GuestTrap(
            f"the history has {history.version} events and {history.bytes} bytes; the limits are "
            f"{limits.events_max} (history_events_max) and {limits.bytes_max} (history_bytes_max)"
        )
    if not history.warned:
        history.record_life(ev.HistoryWarned(history.version, history.bytes), node.clock.now())
