"""Operations on how the server is, and on how many executions there are."""

from collections.abc import Sequence

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.projection import result_label
from obelisk_runtime.ports.figures import Durations
from obelisk_runtime.ports.store import Failure, StoreUnavailable
from obelisk_runtime.service import INTERVAL, QUEUE_COUNTED_MAX
from obelisk_server.api import answers, render, wire
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.refusals import NotReady

FAILURES_MAX = 500
"""The latest ones are grouped by reason."""
REASON_CHARACTERS_MAX = 200


async def alive(_: Context, __: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """The process answers."""
    return Reply(200, answers.Health(status="ok"))


async def ready(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Executions are taken and run."""
    if not context.ready:
        raise NotReady("the server is starting or stopping")
    if context.service.trouble is not None:
        raise NotReady(context.service.trouble)
    return Reply(200, answers.Health(status="ready"))


class Counts(answers.Answer, frozen=True, kw_only=True):
    statuses: dict[str, int]
    """By status; and how many of the unfinished are `paused` or `cancelling`, whatever their status."""
    results: dict[str, int]
    """Of what is finished."""


async def count(context: Context, call: Call[wire.Counted, wire.Nothing]) -> Reply:
    """How many executions there are, by status and by result."""
    async with context.lists.turn():
        found = await context.service.store.counts(top_level_only=not call.query.children, within=call.caller.functions)
    return Reply(200, Counts(statuses=dict(found.statuses), results=dict(found.results)))


class Ended(answers.Answer, frozen=True, kw_only=True):
    at: answers.Instant
    ok: int
    err: int
    failed: int


class Throughput(answers.Answer, frozen=True, kw_only=True):
    now: answers.Instant
    interval_seconds: float
    items: list[Ended]
    """Oldest first. An interval in which nothing ended is left out; what an earlier process did is not known."""


async def throughput(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """How many executions ended, children included, in each of the latest intervals."""
    intervals = context.service.measures.throughput(call.caller.functions)
    items = [Ended(at=render.instant(it.start), ok=it.ok, err=it.err, failed=it.failed) for it in intervals]
    now = render.instant(context.service.now())
    return Reply(200, Throughput(now=now, interval_seconds=INTERVAL / 1e6, items=items))


class Latency(answers.Answer, frozen=True, kw_only=True):
    """In seconds, rounded up to classes; null if there was nothing yet."""

    count: int
    p50: float | None
    p90: float | None
    p99: float | None


class Due(answers.Answer, frozen=True, kw_only=True):
    due: int
    """Executions that wait to be locked."""
    more: bool
    """There are more than were counted."""
    oldest_seconds: float
    """How long the first of them has been due."""


class Memory(answers.Answer, frozen=True, kw_only=True):
    workflows: int
    workflows_max: int
    workflow_bytes: int
    activities: int
    """Attempts that run now."""
    activities_max: int


class Latencies(answers.Answer, frozen=True, kw_only=True):
    start: Latency
    """From the lock to the beginning of the guest."""
    commit: Latency
    read: Latency


class FailureGroup(answers.Answer, frozen=True, kw_only=True):
    """Recent executions of one function that ended alike."""

    function: str
    result: str
    reason: str
    """Of a failure; or the `err` as JSON. Cut off where it is long."""
    count: int
    latest_id: str
    latest_at: answers.Instant


class HealthReport(answers.Answer, frozen=True, kw_only=True):
    ready: bool
    trouble: str | None
    """Of the store."""
    queue: Due
    memory: Memory
    latencies: Latencies
    writes: int
    """Since the server started, as the next two."""
    attempts: dict[str, int]
    """Of activities, by how they ended."""
    replays: int
    """Workflows that were taken up again from their logs."""
    failures: list[FailureGroup]
    """Of the latest executions that failed, the most frequent first."""


async def health(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """How the server is: queue, memory, latencies, and what failed lately."""
    service = context.service
    measures, figures, load = service.measures, service.store.figures, service.load()
    async with context.lists.turn():
        queue = await service.queue()
        failures = await service.store.failures(FAILURES_MAX)
    latencies = Latencies(
        start=_latency(measures.starts), commit=_latency(figures.commits), read=_latency(figures.reads)
    )
    report = HealthReport(
        ready=context.ready,
        trouble=service.trouble,
        queue=Due(due=queue.due, more=queue.due >= QUEUE_COUNTED_MAX, oldest_seconds=queue.age / 1e6),
        memory=Memory(
            workflows=load.workflows,
            workflows_max=load.workflows_max,
            workflow_bytes=load.workflow_bytes,
            activities=load.attempts,
            activities_max=load.attempts_max,
        ),
        latencies=latencies,
        writes=figures.writes,
        attempts=dict(measures.attempts),
        replays=measures.replays,
        failures=_grouped(failures),
    )
    return Reply(200, report)


def _latency(found: Durations) -> Latency:
    return Latency(count=found.count, p50=found.quantile(0.5), p90=found.quantile(0.9), p99=found.quantile(0.99))


def _grouped(failures: Sequence[Failure]) -> list[FailureGroup]:
    groups: dict[tuple[str, str, str], list[Failure]] = {}
    for failure in failures:
        key = failure.function.text, result_label(failure.outcome), _reason(failure.outcome)
        groups.setdefault(key, []).append(failure)
    found: list[FailureGroup] = []
    for (function, result, reason), alike in groups.items():
        latest = max(alike, key=lambda failure: failure.at)
        at = render.instant(latest.at)
        found.append(
            FailureGroup(
                function=function, result=result, reason=reason, count=len(alike), latest_id=latest.id, latest_at=at
            )
        )
    return sorted(found, key=lambda group: -group.count)


def _reason(outcome: ev.Outcome) -> str:
    text = outcome.reason if isinstance(outcome, ev.Failed) else outcome.value or "null"
    return text if len(text) <= REASON_CHARACTERS_MAX else text[:REASON_CHARACTERS_MAX] + "…"


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("alive", alive, wire.Nothing, wire.Nothing, answers.Health),
    Operation("count-executions", count, wire.Counted, wire.Nothing, Counts, (StoreUnavailable,), minds_functions=True),
    Operation("throughput", throughput, wire.Nothing, wire.Nothing, Throughput, minds_functions=True),
    Operation("health", health, wire.Nothing, wire.Nothing, HealthReport, (StoreUnavailable,)),
    Operation("ready", ready, wire.Nothing, wire.Nothing, answers.Health, (NotReady,)),
)
