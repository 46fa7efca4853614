"""An ordinary Python activity makes HTTP requests: what it gets, what is recorded, and what nobody ever sees."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from http_peers import MIB, Honest, honest, saying, scripted
from obelisk_runtime.core import events as ev
from obelisk_runtime.core.allowed_hosts import AllowedHost, allow
from obelisk_runtime.core.deployment import HttpLimits
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.core.secrets import Secret
from obelisk_runtime.ports.store import RequestRecord
from obelisk_runtime.service import Service
from obelisk_runtime.service.guests.network import REQUESTS_MAX
from obelisk_runtime.wasi.http.client import HttpClient

FETCH = "testing:fetcher/fetcher.fetch"
VALUE = "the-secret-value"
ONCE = RetryPolicy(max=0)
LOOPBACK = allow("http://127.0.0.1:*")


@pytest.fixture
def storage() -> str:
    return "sqlite"


@pytest.fixture
async def server() -> AsyncIterator[Honest]:
    async with honest() as server:
        yield server


class Fetcher:
    """The deployed activity."""

    def __init__(self, site: Any, service: Service, run: Any) -> None:
        self._site, self._service, self._run = site, service, run
        self.id = ExecutionId("")

    async def __call__(self, action: str, url: str, argument: str = "") -> Any:
        """What it answers, or the outcome if it is no ok."""
        execution_id, outcome = await self._run(self._service, FETCH, [action, url, argument])
        self.id = ExecutionId(execution_id)
        return json.loads(json.loads(outcome.value)) if isinstance(outcome, ev.Ok) else outcome

    async def requests(self) -> list[RequestRecord]:
        return [record for _, record in await self._site.store.read_requests(self.id)]

    async def everything(self) -> str:
        """All that the store tells of the execution but its result."""
        store = self._site.store
        log = [entry for entry in await store.log(self.id) if not isinstance(entry.event, ev.Finished)]
        return repr([log, await store.read_logs(self.id), await self.requests()])


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient()
    yield client
    await client.close()


@pytest.fixture
async def deploy(site: Any, activity: Any, run: Any, http: HttpClient) -> Any:
    async def deploy(*allowed: AllowedHost, secrets: dict[str, Secret] | None = None, **changes: Any) -> Fetcher:
        changes = {"retries": ONCE, "allowed_hosts": allowed or (LOOPBACK,), "secrets": secrets or {}, **changes}
        return Fetcher(site, await site.start(activity("fetcher", **changes), http=http), run)

    return deploy


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
async def test_requests_are_sent_and_recorded_by_attempt(deploy: Any, server: Honest) -> None:
    fetch = await deploy()
    url = f"http://{server.authority}"
    assert await fetch("get", f"{url}/a?b=c") == [200, "hello"]
    (record,) = await fetch.requests()
    assert (record.run, record.ordinal, record.more) == (1, 0, False)
    made = record.made
    assert (made.method, made.url, made.status, made.error) == ("GET", f"{url}/a?b=c", 200, None)
    assert (made.sent, made.received) == (0, 5)
    assert made.head_after is not None
    assert 0 < made.head_after <= made.duration
    assert await fetch("post", url, "a body") == [200, "a body"]
    assert server.requests[1][3] == b"a body"


async def test_without_allowed_hosts_nothing_is_sent(deploy: Any, server: Honest) -> None:
    fetch = await deploy(allow("https://example.com"))
    assert await fetch("get", f"http://{server.authority}/") == ev.Err('"HttpRequestDenied"')
    (record,) = await fetch.requests()
    assert record.made.error == "HTTP-request-denied"
    assert "no pattern of allowed_hosts fits" in record.made.detail
    assert server.requests == []


async def test_each_attempt_records_its_own(deploy: Any) -> None:
    async with scripted(saying(b"")) as port:
        fetch = await deploy(retries=RetryPolicy(max=2, backoff=1_000, factor=1.0, jitter=0.0))
        assert await fetch("get", f"http://127.0.0.1:{port}/") == ev.Err('"ConnectionTerminated"')
        records = await fetch.requests()
    assert [(record.run, record.made.error) for record in records] == [
        (attempt, "connection-terminated") for attempt in (1, 2, 3)
    ]


async def test_a_body_streams_through_an_activity(deploy: Any, server: Honest) -> None:
    fetch = await deploy(memory_mib=64)
    url = f"http://{server.authority}"
    answer = str(10 * MIB)
    assert await fetch("pipe", f"{url}/bytes/{10 * MIB}", f"{url}/sink") == len(answer)
    made = sorted((record.made.method, record.made.sent, record.made.received) for record in await fetch.requests())
    assert made == [("GET", 0, 10 * MIB), ("POST", 10 * MIB, len(answer))]


async def test_a_guest_that_leaks_streams_ends_and_leaves_nothing_open(deploy: Any, server: Honest) -> None:
    fetch = await deploy()
    assert await fetch("leak", f"http://{server.authority}/bytes/{MIB}") == 6
    await fetch("get", f"http://{server.authority}/")
    assert len(server.requests) >= 2


async def test_an_attempt_that_runs_out_of_time_closes_its_requests(
    deploy: Any, server: Honest, eventually: Any
) -> None:
    fetch = await deploy(attempt_timeout=300_000)
    outcome = await fetch("get", f"http://{server.authority}/wait")
    assert outcome.kind is ev.FailureKind.TIMED_OUT
    (record,) = await eventually(fetch.requests)
    assert record.made.error == "cancelled"


async def test_records_of_an_attempt_are_bounded_with_a_mark(deploy: Any, server: Honest) -> None:
    fetch = await deploy()
    count = REQUESTS_MAX + 5
    assert len(await fetch("many", f"http://{server.authority}/", str(count))) == count
    records = await fetch.requests()
    assert [record.ordinal for record in records] == list(range(REQUESTS_MAX + 1))
    assert [record.more for record in records[-2:]] == [False, True]


async def test_limits_are_those_of_the_component(deploy: Any, server: Honest) -> None:
    fetch = await deploy(http=HttpLimits(response_bytes_max=1_000))
    assert await fetch("download", f"http://{server.authority}/bytes/{MIB}") == ev.Err('"HttpResponseBodySize"')


# Secrets


def trusted(server: Honest) -> AllowedHost:
    return allow(f"http://{server.authority}", secrets=["TOKEN"])


@pytest.fixture
def talkative() -> Any:
    """A server that answers with the header it got."""

    async def talk(reader: Any, writer: Any) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        told = head.lower().partition("authorization: ")[2].partition("\r\n")[0].encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))
        await writer.drain()

    return scripted(talk)


async def test_a_secret_reaches_an_allowed_host_and_nothing_else(deploy: Any, talkative: Any) -> None:
    async with talkative as port:
        fetch = await deploy(
            allow(f"http://127.0.0.1:{port}", secrets=["TOKEN"]), secrets={"TOKEN": Secret(VALUE.encode())}
        )
        url = f"http://127.0.0.1:{port}/"
        assert await fetch("secret", url, "TOKEN") == f"bearer {VALUE}"  # the host echoed it: that cannot be prevented
        everything = await fetch.everything()
        assert VALUE not in everything
        assert "told bearer [secret TOKEN]" in everything
        assert "environment obelisk-secret-" in everything
        outcome = await fetch("trap", url, "TOKEN")
        assert VALUE not in repr(outcome)
        assert VALUE not in await fetch.everything()


async def test_another_host_gets_no_request(deploy: Any, server: Honest) -> None:
    fetch = await deploy(
        LOOPBACK, allow("https://example.com", secrets=["TOKEN"]), secrets={"TOKEN": Secret(VALUE.encode())}
    )
    assert await fetch("secret-elsewhere", f"http://{server.authority}/", "TOKEN") == ev.Err('"HttpRequestDenied"')
    assert server.requests == []
    assert "TOKEN was on its way to a host that may not have it" in await fetch.everything()


async def test_each_attempt_has_a_placeholder_of_its_own(deploy: Any, server: Honest) -> None:
    fetch = await deploy(trusted(server), secrets={"TOKEN": Secret(VALUE.encode())})
    lines: set[str] = set()
    for _ in range(2):
        await fetch("secret", f"http://{server.authority}/", "TOKEN")
        lines |= {line for line in await fetch._site.lines(fetch.id) if line.startswith("environment")}
    assert len(lines) == 2


# Workflows


async def test_a_workflow_makes_no_requests(
    site: Any, workflow: Any, end: Any, http: HttpClient, server: Honest
) -> None:
    """It may import wasi:http, since the libraries of some languages do; every request is denied."""
    service = await site.start(workflow("fetcher", allowed_hosts=(LOOPBACK,)), http=http)
    assert await end(service, FETCH, ["get", f"http://{server.authority}/", ""]) == ev.Err('"HttpRequestDenied"')
    assert server.requests == []


async def test_fetch_of_an_ordinary_javascript_activity_reaches_what_is_allowed(
    site: Any, activity: Any, run: Any, http: HttpClient, server: Honest
) -> None:
    deployed = activity("fetcher_javascript", retries=ONCE, allowed_hosts=(LOOPBACK,))
    fetch = Fetcher(site, await site.start(deployed, http=http), run)
    url = f"http://{server.authority}"
    assert await fetch("get", f"{url}/a?b=c") == [200, "hello"]
    assert [(record.made.method, record.made.status) for record in await fetch.requests()] == [("GET", 200)]
    assert await fetch("post", f"{url}/echo", "a body") == [200, "a body"]
    assert await fetch("download", f"{url}/bytes/{MIB}") == MIB
    denied = await fetch("get", "http://elsewhere.example/")
    assert isinstance(denied, ev.Err)
