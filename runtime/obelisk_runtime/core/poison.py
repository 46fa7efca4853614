"""Executions that may be what kills the process: they were running each time it died."""

from collections.abc import Sequence

from obelisk_runtime.core import events as ev


def poisonous(log: Sequence[ev.Recorded], deaths_max: int) -> str | None:
    """Why an execution with this log is not to be run until somebody resumes it; None: it may run."""
    deaths = 0
    for entry in reversed(log):
        match entry.event:
            case ev.Unlocked(died=True) | ev.AttemptLost(died=True):
                deaths += 1
            case ev.Locked():
                pass
            case _:
                break
    if deaths < deaths_max:
        return None
    return f"it was running when the process died, {deaths} times in a row; if it is not to blame, resume it"
