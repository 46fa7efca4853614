"""Server-sent events: what clients are told of changes as they come."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from api_server import CANCELLABLE, FIBOA, LONG, SLEEP, Api
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import Changed
from obelisk_server.api import followers, streams, wire
from obelisk_server.api.operations import Call, Stream


@dataclass
class Told:
    """One event as a client sees it."""

    event: str
    data: Any
    id: str


@dataclass
class Source:
    """An EventSource."""

    answer: aiohttp.ClientResponse
    last_id: str = ""
    comments: list[str] = field(default_factory=list)

    async def next(self) -> Told | None:
        """None: the stream has ended."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(120):
            async for raw in self.answer.content:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                    continue
                self.last_id = fields.get("id", self.last_id)
                if "data" in fields:
                    return Told(fields["event"], json.loads(fields["data"]), self.last_id)
                fields = {}
        return None

    async def until(self, event: str) -> list[Told]:
        """All up to the first of this kind."""
        found: list[Told] = []
        while not found or found[-1].event != event:
            told = await self.next()
            assert told is not None, found
            found.append(told)
        return found


@asynccontextmanager
async def listening(api: Api, path: str, last_id: str | None = None) -> AsyncIterator[Source]:
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    async with api.session.get(api.url + path, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        source = Source(answer)
        yield source


async def opened(api: Api, count: int = 1) -> None:
    while len(api.context.followers) < count:  # noqa: ASYNC110 - each turn of the loop brings it nearer
        await asyncio.sleep(0)


async def test_all_streams_tell_of_executions_as_they_change(api: Api) -> None:
    async with listening(api, "/v1/stream") as source:
        await opened(api)
        execution_id = await api.submit(FIBOA, "[1, 1]", wait=30)
        told = await source.next()
        assert told is not None
        while told.data.get("outcome") != "ok":
            told = await source.next()
            assert told is not None
        assert (told.event, told.data["id"], told.data["function"]) == ("execution", execution_id, FIBOA)


async def test_children_are_told_of_only_if_they_are_asked_for(api: Api) -> None:
    async with listening(api, "/v1/stream?children=true") as every, listening(api, "/v1/stream") as top:
        await opened(api, 2)
        await api.submit(FIBOA, "[1, 3]", wait=30)
        last = await api.submit(SLEEP, LONG)
        assert {told.data["id"] for told in await gathered(top, last)} == {
            told.data["id"] for told in await gathered(every, last) if told.data["parent"] is None
        }


async def gathered(source: Source, last: str) -> list[Told]:
    found: list[Told] = []
    while not found or found[-1].data["id"] != last:
        told = await source.next()
        assert told is not None
        found.append(told)
    return found


async def test_nobody_listens_to_the_store_when_no_client_follows(api: Api) -> None:
    listeners = api.service.store._listeners  # type: ignore[attr-defined]
    before = len(listeners)
    async with listening(api, "/v1/stream"):
        await opened(api)
        assert len(listeners) == before + 1
        api.context.followers.stop()
        while len(api.context.followers):  # noqa: ASYNC110 - see above
            await asyncio.sleep(0)
    assert len(listeners) == before


async def test_what_was_missed_is_told_after_a_reconnect(api: Api) -> None:
    first = await api.submit(SLEEP, LONG)
    async with listening(api, "/v1/stream") as source:
        await opened(api)
        second = await api.submit(SLEEP, LONG)
        told = await source.next()
        assert told is not None
        assert told.data["id"] == second
        api.context.followers._all.copy().pop().end()
        while await source.next() is not None:
            pass
        last_id = source.last_id
    third = await api.submit(SLEEP, LONG, wait="10ms")
    async with listening(api, "/v1/stream", last_id) as source:
        seen = {told.data["id"] for told in await gathered(source, third)}
    assert first not in seen


async def test_a_client_that_missed_too_much_is_told_to_read_again(api: Api) -> None:
    execution_id = await api.submit(FIBOA, f"[1, {followers.BACKLOG_MAX + 10}]", wait=60)
    async with listening(api, f"/v1/executions/{execution_id}/stream?tree=true", "0.0") as source:
        assert [told.event for told in await source.until("end")] == ["execution", "behind", "end"]
    async with listening(api, "/v1/stream?children=true", "0.0") as source:
        told = await source.next()
        assert told is not None
        assert told.event == "behind"
        await api.submit(SLEEP, LONG)
        following = await source.next()
        assert following is not None
        assert following.event == "execution"


async def test_a_cursor_that_is_ahead_of_the_store_is_told_to_read_again(api: Api) -> None:
    execution_id = await api.submit(FIBOA, "[1, 1]", wait=30)
    for path in ("/v1/stream", f"/v1/executions/{execution_id}/stream"):
        async with listening(api, path, str(2**59)) as source:
            assert (await source.until("behind"))[-1].id == f"{api.context.service.store.sequence}.0"


async def test_a_follower_that_is_slow_falls_behind_and_keeps_nothing() -> None:
    follower = followers.Follower(lambda _: True)
    for number in range(followers.BACKLOG_MAX + 1):
        follower.add(Changed(frozenset({ExecutionId(f"E_{number}")}), pending=False))
    news = await follower.next(0.01)
    assert (news.executions, news.behind) == ((), True)
    follower.add(Changed(frozenset({ExecutionId("E_1")}), pending=False))
    news = await follower.next(0.01)
    assert (news.executions, news.behind) == (("E_1",), False)
    assert (await follower.next(0.01)).executions == ()


async def log_of(api: Api, execution_id: str) -> list[Any]:
    """As a stream tells it."""
    answer = await api.get(f"/v1/executions/{execution_id}/events?limit=1000")
    return [{"execution": execution_id, **event} for event in answer.body["items"]]


async def logs_of_tree(api: Api, execution_id: str) -> dict[str, list[Any]]:
    children = (await api.get(f"/v1/executions/{execution_id}/children?tree=true&limit=1000")).body["items"]
    return {id_: await log_of(api, id_) for id_ in (execution_id, *(child["id"] for child in children))}


def events_of(told: list[Told]) -> list[Any]:
    return [item.data for item in told if item.event == "event"]


def by_execution(events: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for event in events:
        found.setdefault(event["execution"], []).append(event)
    return found


async def test_one_execution_is_told_with_its_log_to_its_end(api: Api) -> None:
    execution_id = await api.submit(CANCELLABLE, LONG, wait="10ms")
    async with listening(api, f"/v1/executions/{execution_id}/stream?cursor=0.0") as source:
        await opened(api)
        await api.post(f"/v1/executions/{execution_id}/cancel", "{}")
        told = await source.until("end")
        assert await source.next() is None
    assert events_of(told) == await log_of(api, execution_id)
    assert told[-1].data["outcome"] == "cancelled"
    async with api.session.get(
        f"{api.url}/v1/executions/{execution_id}/stream", headers={"Last-Event-ID": told[-1].id}
    ) as answer:
        assert answer.status == 204


async def test_a_log_goes_on_where_the_client_was(api: Api) -> None:
    execution_id = await api.submit(FIBOA, "[1, 3]", wait=30)
    async with listening(api, f"/v1/executions/{execution_id}/stream", "0.2") as source:
        told = await source.until("end")
    assert events_of(told) == (await log_of(api, execution_id))[2:]


async def test_a_tree_tells_of_what_is_below(api: Api) -> None:
    other = await api.submit(SLEEP, LONG)
    start = api.service.store.sequence
    execution_id = await api.submit(FIBOA, "[1, 2]", wait=30)
    async with listening(api, f"/v1/executions/{execution_id}/stream?tree=true", f"{start}.0") as source:
        told = await source.until("end")
    seen = {item.data["id"] for item in told if item.event == "execution"}
    assert seen == {execution_id, f"{execution_id}.o:1_1", f"{execution_id}.o:2_1"}
    assert other not in seen


async def test_a_tree_tells_the_log_of_everything_in_it(api: Api) -> None:
    execution_id = await api.submit(FIBOA, "[1, 3]", wait=30)
    async with listening(api, f"/v1/executions/{execution_id}/stream?tree=true&cursor=0.0") as source:
        told = await source.until("end")
    logs = await logs_of_tree(api, execution_id)
    assert len(logs) == 4
    assert by_execution(events_of(told)) == logs


async def test_a_tree_goes_on_after_any_of_its_events(api: Api) -> None:
    execution_id = await api.submit(FIBOA, "[1, 3]", wait=30)
    path = f"/v1/executions/{execution_id}/stream?tree=true"
    async with listening(api, path, "0.0") as source:
        told = [item for item in await source.until("end") if item.event == "event"]
    for place, item in enumerate(told[:-1], start=1):
        async with listening(api, path, item.id) as source:
            assert events_of(await source.until("end")) == events_of(told[place:])
    async with api.session.get(api.url + path, headers={"Last-Event-ID": told[-1].id}) as answer:
        assert answer.status == 204


async def test_a_growing_tree_is_told_without_loss_to_a_client_that_comes_and_goes(api: Api) -> None:
    start = f"{api.service.store.sequence}.0"
    execution_id = await api.submit(FIBOA, "[1, 60]")
    path, last_id = f"/v1/executions/{execution_id}/stream?tree=true", start
    found: list[Told] = []
    while not found or found[-1].event != "end":
        async with listening(api, path, last_id) as source:
            for _ in range(12):
                told = await source.next()
                while told is not None and told.event == "execution":
                    told = await source.next()
                assert told is not None
                assert told.event != "behind"
                found.append(told)
                if told.event == "end":
                    break
            last_id = source.last_id
    assert by_execution(events_of(found)) == await logs_of_tree(api, execution_id)


async def test_a_client_that_reads_a_tree_too_slowly_is_told_that_it_fell_behind(api: Api) -> None:
    execution_id = await api.submit(CANCELLABLE, LONG, wait="10ms")
    call = Call({"id": execution_id}, streams.StreamOne(tree=True), wire.Nothing())
    stream = await streams.stream_one(api.context, call)
    assert isinstance(stream, Stream)
    async with aclosing(stream.parts) as parts:
        await anext(parts)
        (follower,) = api.context.followers._all
        below = (ExecutionId(f"{execution_id}.n:x_{number}") for number in range(followers.BACKLOG_MAX + 1))
        follower.add(Changed(frozenset(below), pending=False))  # what happens while it does not read
        assert follower._changed == {}, "nothing is kept for it"
        told = b""
        while b"event: behind" not in told:
            told = await anext(parts)
        before = await log_of(api, execution_id)
        await api.post(f"/v1/executions/{execution_id}/cancel", "{}")
        told = b"".join([part async for part in parts])
    data = [json.loads(line[6:]) for line in told.decode().splitlines() if line.startswith("data: ")]
    following = (await log_of(api, execution_id))[len(before) :]
    assert [item for item in data if "execution" in item] == following


async def test_streams_end_when_the_server_stops(api: Api) -> None:
    execution_id = await api.submit(SLEEP, LONG)
    async with (
        listening(api, "/v1/stream") as all_of_them,
        listening(api, f"/v1/executions/{execution_id}/stream") as one,
    ):
        await opened(api, 2)
        stopping = asyncio.create_task(api.listener.stop())
        for source in (all_of_them, one):
            while await source.next() is not None:
                pass
        await stopping
    assert len(api.context.followers) == 0


@pytest.mark.parametrize("cursor", ["x", "1.2.3", "-1", "9" * 30])
async def test_a_cursor_of_another_origin_is_refused(api: Api, cursor: str) -> None:
    for path in ("/v1/stream", "/v1/executions/E_01J00000000000000000000000/stream"):
        answer = await api.get(f"{path}?cursor={cursor}")
        assert (answer.status, answer.body["type"]) == (400, "urn:obelisk:problem:invalid-request")


async def test_too_many_streams_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "FOLLOWERS_MAX", 1)
    async with listening(api, "/v1/stream"):
        await opened(api)
        answer = await api.get("/v1/stream")
        assert (answer.status, answer.body["type"]) == (429, "urn:obelisk:problem:too-many-streams")


async def test_streams_that_come_together_are_no_more_than_there_may_be(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = await api.submit(SLEEP, LONG)
    monkeypatch.setattr(followers, "FOLLOWERS_MAX", 2)
    paths = [f"/v1/executions/{id_}/stream", "/v1/stream"] * 5
    answers = await asyncio.gather(*(api.session.get(api.url + path) for path in paths))
    assert sorted(answer.status for answer in answers) == [200] * 2 + [429] * 8
    for answer in answers:
        answer.close()


async def test_a_stream_whose_client_has_left_is_no_stream_any_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 3_600.0)
    answer = await api.session.get(api.url + "/v1/stream")
    await opened(api)
    answer.close()
    async with asyncio.timeout(120):
        while len(api.context.followers):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


async def test_the_head_of_a_stream_is_an_answer_with_an_end(api: Api) -> None:
    async with api.session.head(api.url + "/v1/stream") as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")


async def test_an_execution_that_does_not_exist_has_no_stream(api: Api) -> None:
    assert (await api.get("/v1/executions/E_01J00000000000000000000000/stream")).status == 404
