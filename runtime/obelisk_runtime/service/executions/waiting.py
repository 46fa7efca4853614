"""Waiting for the end of an execution, wherever it runs."""

import asyncio

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.service.process.node import Node

WAIT_POLL_SECONDS = 1.0
"""How often a waiter reads the store though nothing told it of the end."""


async def outcome_of(node: Node, execution_id: ExecutionId) -> ev.Outcome | None:
    """How it ended; None while it has not. Raises: ExecutionNotFound."""
    projection = await node.store.get(execution_id)
    if not isinstance(projection.status, proj.Finished):
        return None
    (last,) = await node.store.log(execution_id, start=projection.version - 1, limit=1)
    assert isinstance(last.event, ev.Finished)
    return last.event.outcome


async def until_finished(node: Node, execution_id: ExecutionId) -> ev.Outcome:
    """Cancel freely; the execution does not notice. Raises: ExecutionNotFound."""
    return await watched(node, execution_id, node.watch(execution_id), known=True)


async def watched(
    node: Node, execution_id: ExecutionId, waiter: "asyncio.Future[ev.Outcome]", *, known: bool
) -> ev.Outcome:
    """Its end, of which `waiter` (`Node.watch`) tells, which is given back.

    `known`: it may have ended before `waiter` began to watch, so the store is asked first.
    """
    try:
        while True:
            if known and (outcome := await outcome_of(node, execution_id)) is not None:
                return outcome
            done, _ = await asyncio.wait((waiter,), timeout=WAIT_POLL_SECONDS)
            if done:
                return waiter.result()
            known = True
    finally:
        node.unwatch(execution_id, waiter)
