"""What Prometheus reads."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from api_server import CANCELLABLE, FIBOA, LONG, SLEEP, Api
from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import StoreUnavailable
from obelisk_runtime.service import INTERVAL, Measures
from obelisk_runtime.service.process import measures


async def scraped(api: Api) -> Mapping[tuple[str, ...], float]:
    """Values by the name of the sample and its labels."""
    async with api.session.get(api.url + "/metrics") as answer:
        assert (answer.status, answer.content_type) == (200, "text/plain")
        text = await answer.text()
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_executions_and_attempts_are_counted(api: Api) -> None:
    await api.submit(FIBOA, "[1, 2]", wait=30)
    stopped = await api.submit(CANCELLABLE, LONG, wait="10ms")
    await api.post(f"/v1/executions/{stopped}/cancel", "{}")
    await api.get(f"/v1/executions/{stopped}/result?wait=30")
    asleep = await api.submit(SLEEP, LONG, wait="10ms")
    found = await scraped(api)
    finished = "obelisk_executions_finished_total"
    assert found[finished, f"function={FIBOA}", "outcome=ok"] == 1
    assert found[finished, "function=testing:fibo/fibo.fibo", "outcome=ok"] == 2
    assert found[finished, f"function={CANCELLABLE}", "outcome=cancelled"] == 1
    assert (finished, f"function={SLEEP}", "outcome=ok") not in found, asleep
    assert found["obelisk_attempts_total", "outcome=ok"] == 2
    assert found["obelisk_resident_workflows",] == 1
    assert found["obelisk_running_activities",] == 0
    assert found["obelisk_queue_due",] == 0
    assert found["obelisk_replays_total",] == 0
    assert found["obelisk_start_seconds_count",] >= 5
    assert found["obelisk_start_seconds_bucket", "le=+Inf"] == found["obelisk_start_seconds_count",]


async def test_requests_are_counted_by_operation_and_status(api: Api) -> None:
    await api.submit(FIBOA, "[1, 1]", wait=30)
    await api.get("/v1/executions/E_1")
    await api.get("/v1/nothing")
    found = await scraped(api)
    requests = "obelisk_http_requests_total"
    assert found[requests, "operation=submit", "status=200"] == 1
    assert found[requests, "operation=get-execution", "status=400"] == 1
    assert found[requests, "operation=other", "status=404"] == 1
    assert found["obelisk_http_request_seconds_count", "operation=submit"] == 1
    assert found["obelisk_streams",] == 0


async def test_figures_are_there_while_the_store_is_not(api: Api) -> None:
    async def refuse(now: Instant, limit: int) -> int:
        raise StoreUnavailable("the disk is full")

    api.service.store.backlog = refuse  # type: ignore[method-assign]
    found = await scraped(api)
    assert ("obelisk_queue_due",) not in found
    assert found["obelisk_store_trouble",] == 0


def test_functions_without_number_are_counted_together() -> None:
    found = Measures()
    for number in range(measures.FUNCTIONS_MAX + 5):
        found.ended(Ffqn.parse(f"a:b/c.f{number}"), ev.Ok(), Instant(0))
    found.ended(Ffqn.parse("a:b/c.f0"), ev.Ok(), Instant(0))
    assert len(found.finished) == measures.FUNCTIONS_MAX + 1
    assert found.finished["others", "ok"] == 5
    assert found.finished["a:b/c.f0", "ok"] == 2


def test_the_throughput_keeps_some_intervals() -> None:
    found = Measures()
    for number in range(measures.INTERVALS_MAX + 3):
        found.ended(Ffqn.parse("a:b/c.d"), ev.Ok(), Instant(number * INTERVAL + 5))
        found.ended(Ffqn.parse("a:b/c.d"), ev.Failed(ev.FailureKind.LOST, ""), Instant(number * INTERVAL + 6))
    assert len(found.throughput()) == measures.INTERVALS_MAX
    assert {(item.ok, item.err, item.failed) for item in found.throughput()} == {(1, 0, 1)}
    assert found.throughput()[0].start == 3 * INTERVAL
