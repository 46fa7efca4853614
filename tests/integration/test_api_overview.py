"""What the API tells of many executions, and of parts of large ones."""

import asyncio

import pytest

from api_server import FIBOA, LONG, SLEEP, Api


async def test_executions_are_counted_by_status_and_result(api: Api) -> None:
    await api.submit(FIBOA, "[1, 2]", wait=30)
    await api.submit(SLEEP, LONG)
    top = (await api.get("/v1/executions/counts")).body
    assert top["statuses"]["finished"] == 1
    assert sum(top["statuses"].values()) == 2
    assert top["results"] == {"ok": 1}
    every = (await api.get("/v1/executions/counts?children=true")).body
    assert every["results"] == {"ok": 3}


async def test_the_throughput_tells_what_ended_when(api: Api) -> None:
    assert (await api.get("/v1/throughput")).body["items"] == []
    await api.submit(FIBOA, "[1, 2]", wait=30)
    found = (await api.get("/v1/throughput")).body
    assert found["interval_seconds"] == 10
    assert sum(item["ok"] for item in found["items"]) == 3
    assert all(item["at"] <= found["now"] for item in found["items"])


async def test_health_tells_of_queue_memory_latencies_and_failures(api: Api) -> None:
    await api.submit(FIBOA, "[1, 2]", wait=30)
    stopped = [await api.submit(SLEEP, LONG) for _ in range(2)]
    asleep = await api.submit(SLEEP, LONG, wait="10ms")
    for execution_id in stopped:
        await api.post(f"/v1/executions/{execution_id}/terminate", {"reason": "enough"})
        await api.get(f"/v1/executions/{execution_id}/result?wait=30")
    found = (await api.get("/v1/health")).body
    assert (found["ready"], found["trouble"]) == (True, None)
    assert found["queue"] == {"due": 0, "more": False, "oldest_seconds": 0.0}
    assert (found["memory"]["workflows"], found["memory"]["activities"]) == (1, 0)
    assert found["latencies"]["start"]["count"] >= 5
    assert found["attempts"] == {"ok": 2}
    (group,) = found["failures"]
    assert (group["function"], group["result"], group["reason"], group["count"]) == (SLEEP, "cancelled", "enough", 2)
    assert group["latest_id"] in stopped
    assert asleep not in stopped


async def test_a_component_tells_how_many_executions_each_version_has(api: Api) -> None:
    await api.submit(FIBOA, "[1, 2]", wait=30)
    workflow = (await api.get("/v1/components/fibo_workflow_tiny")).body
    assert workflow["versions"] == [{"digest": workflow["digest"], "deployed": True, "unfinished": 0, "finished": 1}]
    activity = (await api.get("/v1/components/fibo_tiny")).body
    assert activity["versions"] == [{"digest": None, "deployed": True, "unfinished": 0, "finished": 2}]


@pytest.mark.parametrize(
    ("query", "versions", "previous", "following"),
    [
        ("", [0, 1, 2, 3, 4], None, 5),
        ("limit=2", [0, 1], None, 2),
        ("cursor=2&limit=2", [2, 3], 2, 4),
        ("before=4&limit=2", [2, 3], 2, 4),
        ("before=2&limit=5", [0, 1], None, 2),
        ("before=99&limit=2", [3, 4], 3, 5),
        ("cursor=1&before=3", [1, 2], 1, 3),
        ("cursor=3&before=1", [], 3, 3),
        ("cursor=9", [], 5, 9),
    ],
)
async def test_a_log_is_read_from_any_place_forward_and_back(
    api: Api, query: str, versions: list[int], previous: int | None, following: int
) -> None:
    execution_id = await api.submit(FIBOA, "[1, 2]", wait=30)
    page = (await api.get(f"/v1/executions/{execution_id}/events?{query}")).body
    assert [item["version"] for item in page["items"]] == versions
    assert (page["total"], page["previous_before"], page["next_cursor"]) == (5, previous, following)
    assert page["complete"] is (following >= 5)


async def test_children_come_in_the_order_of_submission_page_by_page(api: Api) -> None:
    execution_id = await api.submit(FIBOA, "[1, 5]", wait=30)
    await api.submit(FIBOA, "[1, 1]", wait=30)
    for query in ("limit=2", "limit=2&tree=true"):
        seen: list[str] = []
        path = f"/v1/executions/{execution_id}/children?{query}"
        page = (await api.get(path)).body
        seen += [item["id"] for item in page["items"]]
        while page["next_cursor"] is not None:
            page = (await api.get(f"{path}&cursor={page['next_cursor']}")).body
            seen += [item["id"] for item in page["items"]]
        assert seen == [f"{execution_id}.o:{number}_1" for number in range(1, 6)]
    missing = await api.get("/v1/executions/E_01J00000000000000000000000/children")
    assert missing.status == 404


async def test_lists_are_filtered_by_time_component_text_and_short_names(api: Api) -> None:
    first = await api.submit(FIBOA, "[7, 1]", wait=30)
    second = await api.submit(FIBOA, "[10, 1]", wait=30)
    created = (await api.get(f"/v1/executions/{second}")).body["created_at"]
    digest = (await api.get("/v1/components/fibo_workflow_tiny")).body["digest"]

    async def ids(query: str) -> list[str]:
        answer = await api.get(f"/v1/executions?{query}")
        assert answer.status == 200, answer.body
        return [item["id"] for item in answer.body["items"]]

    assert await ids("") == [second, first]
    assert await ids("oldest_first=true") == [first, second]
    assert await ids("function=fiboa") == [second, first]
    assert await ids("function=testing:fibo-w") == [second, first]
    assert await ids("function=fibob") == []
    assert await ids(f"digest={digest}") == [second, first]
    assert await ids(f"digest={digest[:-1]}{'0' if digest[-1] != '0' else '1'}") == []
    assert await ids(f"created_since={created}") == [second]
    assert await ids(f"created_before={created}") == [first]
    assert await ids("finished_since=1h") == [second, first]
    assert await ids("finished_before=1h") == []
    assert await ids("text=89") == [second]
    assert await ids("text=7,1") == [first]


async def test_a_time_that_is_none_is_refused(api: Api) -> None:
    answer = await api.get("/v1/executions?created_since=yesterday")
    assert answer.status == 400
    assert "created_since is 'yesterday'" in answer.body["detail"]


async def test_a_log_that_grows_is_waited_for(api: Api) -> None:
    execution_id = await api.submit(SLEEP, LONG, wait="10ms")
    total = (await api.get(f"/v1/executions/{execution_id}/events")).body["total"]
    waiting = asyncio.create_task(api.get(f"/v1/executions/{execution_id}/events?cursor={total}&wait=60"))
    await api.post(f"/v1/executions/{execution_id}/terminate", "{}")
    assert next(item["version"] for item in (await waiting).body["items"]) == total
