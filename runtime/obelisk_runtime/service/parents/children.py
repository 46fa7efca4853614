"""Children: what is created in the store with the entry that submitted them, and how they start here."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import Submission
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.randomness import child_seed
from obelisk_runtime.ports.store import NewExecution
from obelisk_runtime.service.activities.attempt import Attempt, NoAttempt
from obelisk_runtime.service.activities.record import LockedActivity
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.executions.creating import begun, created_by, new_execution, seed_of
from obelisk_runtime.service.process.node import Commit, Node, Startable


@dataclass(frozen=True, slots=True)
class Birth:
    """A new execution; `start` is None if it is left in the store for whoever has room."""

    new: NewExecution
    start: Callable[[Commit], Startable] | None
    """Makes the runner, given what is done when the creation is durable."""
    early: bool
    """Whether it may start before that."""


def bear(node: Node, submission: Submission, parent: ev.Created, caller: DeployedComponent, *, settled: bool) -> Birth:
    """The child execution of a submission by a guest of `caller`.

    `settled`: no answer its parameters may hold can change by a crash.
    """
    event = submission.event
    assert isinstance(event, ev.ChildSubmitted)
    child = ExecutionId(submission.id)
    target = node.deployment.targets.get(event.function)
    if target is None:
        return _rejected(node, event, child, submission.at, f"no deployed component exports {event.function}")
    mismatch = node.deployment.mismatch(caller, target)
    if mismatch is not None:
        return _rejected(node, event, child, submission.at, mismatch)
    created = created_by(target, event.params, child_seed(seed_of(parent), child), deadline=parent.deadline)
    if target.kind is ev.ExecutionKind.STUB:
        return Birth(new_execution(child, created, submission.at), None, early=False)
    if not node.scheduler.reserve(target.kind, child, event.function):
        return Birth(new_execution(child, created, submission.at), None, early=False)
    early = settled and not target.component.settings.start_after_commit
    if target.kind is ev.ExecutionKind.WORKFLOW:
        new = begun(node, created, child, submission.at, None)
        return Birth(new, lambda commit: node.run_workflow(new, commit), early)
    new = begun(node, created, child, submission.at, target.component.digest)
    return Birth(
        new, lambda commit: Attempt(node, target, LockedActivity(child, event.params, new.projection, commit)), early
    )


def scheduled(node: Node, submission: Submission) -> NewExecution:
    """The top-level execution that a workflow scheduled; it waits in the store for its time.

    A workflow that is deployed with other parameters than the guest was compiled against is rejected at once. (An
    activity is when it would begin: by then another one may be deployed.)
    """
    event = submission.event
    assert isinstance(event, ev.Scheduled)
    function = Ffqn.parse(event.function)
    target = node.deployment.targets.get(function)
    seed = node.ids.random_bytes(16)
    if target is None:  # it was deployed when it was asked for; it waits until it is again
        created = ev.Created(ev.ExecutionKind.ACTIVITY, function, event.params, seed=seed)
    else:
        created = created_by(target, event.params, seed)
    created = msgspec.structs.replace(created, due=event.due)
    misfit = target.misfit(event.params) if target is not None and target.kind is ev.ExecutionKind.WORKFLOW else None
    ended = () if misfit is None else (ev.Finished(ev.Failed(ev.FailureKind.REJECTED, misfit)),)
    return new_execution(event.id, created, submission.at, *ended)


def _rejected(node: Node, event: ev.ChildSubmitted, child: ExecutionId, now: Instant, reason: str) -> Birth:
    node.scheduler.reserve(ev.ExecutionKind.ACTIVITY, child, event.function, force=True)
    new = begun(node, ev.Created(ev.ExecutionKind.ACTIVITY, event.function, event.params), child, now, None)
    activity = LockedActivity(child, event.params, new.projection)
    return Birth(new, lambda _: NoAttempt.rejected(node, activity, reason), early=False)
