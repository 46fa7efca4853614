"""Figures for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/

Counting is done where things happen, with plain counters; here they are written down when somebody asks. Labels have
few values: functions (bounded by `Measures`), outcomes, operations, statuses.
"""

from collections.abc import Iterator, Mapping
from importlib.metadata import version

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from obelisk_runtime.ports.figures import SECONDS, Durations
from obelisk_runtime.ports.store import StoreUnavailable
from obelisk_runtime.service import Queue
from obelisk_server.api import wire
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply

TEXT = CONTENT_TYPE_LATEST


async def metrics(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Figures of the server for Prometheus."""
    try:
        queue = await context.service.queue()
    except StoreUnavailable:
        queue = None  # the other figures are needed most now
    return Reply(200, generate_latest(_Figures(context, queue)), media_type=TEXT)


class _Figures(Collector):
    def __init__(self, context: Context, queue: Queue | None) -> None:
        self._context = context
        self._queue = queue

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("obelisk", "The server.", {"version": version("obelisk-wasm")})
        yield from self._executions()
        yield from self._memory()
        yield from self._store()
        yield from self._http()

    def _executions(self) -> Iterator[Metric]:
        measures = self._context.service.measures
        finished = CounterMetricFamily(
            "obelisk_executions_finished",
            "Executions that ended in this process.",
            labels=("function", "outcome"),
        )
        for (function, outcome), count in sorted(measures.finished.items()):
            finished.add_metric((function, outcome), count)
        yield finished
        yield _counter("obelisk_attempts", "Attempts of activities by how they ended.", "outcome", measures.attempts)
        yield CounterMetricFamily(
            "obelisk_replays", "Workflows that were taken up again from their logs.", measures.replays
        )
        yield _histogram(
            "obelisk_start_seconds", "From the lock of an execution to the beginning of its guest.", measures.starts
        )

    def _memory(self) -> Iterator[Metric]:
        load = self._context.service.load()
        if self._queue is not None:
            yield GaugeMetricFamily("obelisk_queue_due", "Executions that wait to be locked.", self._queue.due)
            yield GaugeMetricFamily(
                "obelisk_queue_age_seconds", "How long the first of them has been due.", self._queue.age / 1e6
            )
        yield GaugeMetricFamily("obelisk_resident_workflows", "Workflows in memory.", load.workflows)
        yield GaugeMetricFamily("obelisk_resident_workflow_bytes", "Their memory, estimated.", load.workflow_bytes)
        yield GaugeMetricFamily("obelisk_running_activities", "Attempts of activities that run.", load.attempts)

    def _store(self) -> Iterator[Metric]:
        figures = self._context.service.store.figures
        trouble = self._context.service.store_trouble is not None
        yield GaugeMetricFamily("obelisk_store_trouble", "1 while the store cannot be written.", int(trouble))
        yield CounterMetricFamily("obelisk_store_writes", "Writes; many share a commit.", figures.writes)
        yield _histogram("obelisk_store_commit_seconds", "Transactions that write.", figures.commits)
        yield _histogram("obelisk_store_read_seconds", "Statements that read.", figures.reads)

    def _http(self) -> Iterator[Metric]:
        context = self._context
        answers = CounterMetricFamily(
            "obelisk_http_requests", "Requests to this server.", labels=("operation", "status")
        )
        for (operation, status), count in sorted(context.http.answers.items()):
            answers.add_metric((operation, str(status)), count)
        yield answers
        durations = HistogramMetricFamily(
            "obelisk_http_request_seconds", "How long they took, waiting included.", labels=("operation",)
        )
        for operation, found in sorted(context.http.durations.items()):
            durations.add_metric((operation,), _buckets(found), found.total)
        yield durations
        yield CounterMetricFamily(
            "obelisk_audit_misses",
            "Lines that the audit log could not take; they are in the log.",
            context.audit.misses,
        )
        yield GaugeMetricFamily("obelisk_streams", "Clients that are told of changes.", len(context.followers))
        sent = context.service.measures.requests
        yield _counter("obelisk_outgoing_requests", "HTTP requests of components by how they ended.", "outcome", sent)


def _counter(name: str, documentation: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=(label,))
    for value, count in sorted(counts.items()):
        family.add_metric((value,), count)
    return family


def _histogram(name: str, documentation: str, found: Durations) -> Metric:
    return HistogramMetricFamily(name, documentation, _buckets(found), found.total)


def _buckets(found: Durations) -> list[tuple[str, float]]:
    """Each with what is in those before it."""
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*map(str, SECONDS), "+Inf"), found.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("metrics", metrics, wire.Nothing, wire.Nothing, str, media_type=TEXT),
)
