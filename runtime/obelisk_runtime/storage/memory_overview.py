"""What the store in memory answers about many executions."""

from collections import Counter
from collections.abc import Collection, Sequence

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import Digest, ExecutionId, parent_of
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import CHANGES_MAX, Added, Change, Counts, Failure, VersionCount
from obelisk_runtime.storage.memory_tables import Tables, bounded, status_words

WORDS = ("pending", "locked", "blocked", "finished", "paused", "cancelling")


def counts(tables: Tables, *, top_level_only: bool, within: tuple[str, ...] | None) -> Counts:
    statuses: Counter[str] = Counter()
    results: Counter[str] = Counter({"ok": 0})
    for execution in tables.executions.values():
        if (top_level_only and parent_of(execution.id) is not None) or not tables.is_within(execution, within):
            continue
        statuses.update(status_words(execution.projection))
        if isinstance(execution.projection.status, proj.Finished):
            results[execution.projection.status.result] += 1
    return Counts({word: statuses[word] for word in WORDS}, dict(results))


def versions(tables: Tables, functions: Sequence[Ffqn]) -> list[VersionCount]:
    unfinished: Counter[Digest | None] = Counter()
    finished: Counter[Digest | None] = Counter()
    for execution in tables.executions.values():
        projection = execution.projection
        if projection.function in functions:
            done = isinstance(projection.status, proj.Finished)
            (finished if done else unfinished)[projection.digest] += 1
    digests = sorted({*unfinished, *finished}, key=str)
    return [VersionCount(digest, unfinished[digest], finished[digest]) for digest in digests]


def failures(tables: Tables, limit: int) -> list[Failure]:
    found: list[Failure] = []
    for execution in sorted(tables.executions.values(), key=lambda execution: -execution.sequence):
        last = execution.log[-1]
        if isinstance(last.event, ev.Finished) and not isinstance(last.event.outcome, ev.Ok):
            found.append(Failure(execution.id, execution.projection.function, last.at, last.event.outcome))
    return found[: max(0, bounded(limit))]


def changes(tables: Tables, after: int, tree: ExecutionId | None) -> list[Change] | None:
    top = "" if tree is None else tables.find(tree).id
    changed = [
        execution
        for id_, execution in tables.executions.items()
        if execution.changed > after and (tree is None or id_ == top or id_.startswith(f"{top}."))
    ]
    changed.sort(key=lambda execution: (execution.changed, execution.sequence))
    if len(changed) > CHANGES_MAX:
        return None
    return [Change(execution.changed, execution.id, execution.projection) for execution in changed]


def added(tables: Tables, ids: Collection[ExecutionId], after: int, until: int) -> list[Added]:
    executions = [tables.executions[id_] for id_ in {*ids} if id_ in tables.executions]
    executions.sort(key=lambda execution: execution.sequence)
    found = [
        Added(sequence, execution.id, event)
        for execution in executions
        for sequence, event in zip(
            execution.added, execution.log, strict=False
        )  # what is not committed has no sequence
        if after < sequence <= until
    ]
    return sorted(found, key=lambda item: item.sequence)
