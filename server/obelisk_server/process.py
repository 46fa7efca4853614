"""The process that serves: what it takes from the system, and what signals do to it."""

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from dataclasses import asdict

from obelisk_runtime.core.errors import ObeliskError
from obelisk_server.access import Audit, Deed
from obelisk_server.setup import Reload

SWITCH_INTERVAL_SECONDS = 0.0002
"""How long a thread keeps the interpreter while others want it: at the default of 5 ms one that computes makes every
host call and every commit wait for it."""
_log = logging.getLogger(__name__)


def settle_in() -> None:
    """Once, before anything is opened. All descriptors that it may have: each connection needs one, and the usual soft
    limit is meant for `select`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)


def keep_what_is_loaded() -> None:
    """Modules and components stay until the end: a full collection that looks at them stops everything for 40 ms."""
    gc.collect()
    gc.freeze()


def stop_on_signals() -> None:
    """The first signal cancels the calling task, which shuts down in order; the second one does not wait for that."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        if len(received) > 1:
            os._exit(128 + number)
        _log.info("the server stops", extra={"signal": number.name})
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, _log.info, "the server starts; nothing is reloaded")


def reload_on_signal(reload: Reload, audit: Audit) -> asyncio.Task[None]:
    """For each SIGHUP from now on, until the task is cancelled."""
    hung_up = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
    return asyncio.create_task(_reload_each_time(hung_up, reload, audit))


async def _reload_each_time(hung_up: asyncio.Event, reload: Reload, audit: Audit) -> None:
    while True:
        await hung_up.wait()
        hung_up.clear()
        _reopen(audit)
        done = await _reloaded(reload)
        audit.write(Deed(who="SIGHUP", operation="reload", outcome="reloaded" if done else "nothing was reloaded"))


async def _reloaded(reload: Reload) -> bool:
    """The named boundary: whatever goes wrong, the next signal is heard."""
    try:
        reloaded = await reload()
    except ObeliskError as error:
        _log.error("nothing was reloaded; what was deployed stays", extra={"reason": str(error)})
        return False
    except Exception:  # noqa: BLE001 - logged with its traceback
        _log.exception("a reload failed")
        return False
    _log.info("reloaded", extra=asdict(reloaded))
    return True


def _reopen(audit: Audit) -> None:
    """Somebody, such as logrotate, may have moved the file away."""
    try:
        audit.reopen()
    except OSError as error:
        _log.error("the audit log goes on in the old file", extra={"reason": f"{error.filename}: {error.strerror}"})
