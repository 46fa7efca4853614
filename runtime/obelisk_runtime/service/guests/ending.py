"""What the server's log is told of the end of a guest."""

from obelisk_runtime.core.guest_outcomes import GuestOutcome, HostFailed
from obelisk_runtime.service.process.node import logger


def report_host_failure(ended: GuestOutcome, **fields: str) -> None:
    """A host function that failed has a bug, which no client can see in the failure of the execution."""
    if isinstance(ended, HostFailed):
        logger.error("a host function failed", exc_info=ended.error, extra=fields)
