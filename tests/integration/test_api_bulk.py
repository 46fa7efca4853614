"""Many executions in one request: submitted as a batch, steered and deleted by a filter."""

from typing import Any

import pytest

from api_server import CANCELLABLE, FIBOA, LONG, SLEEP, Answer, Api
from obelisk_server.api import bulk


async def dry_run(api: Api, action: str, where: dict[str, Any]) -> Any:
    answer = await api.post(f"/v1/bulk/{action}", {"filter": where, "dry_run": True})
    assert answer.status == 200, answer.body
    return answer.body


async def real_run(api: Api, action: str, where: dict[str, Any], token: str, **more: Any) -> Answer:
    return await api.post(f"/v1/bulk/{action}", {"filter": where, "token": token, **more})


# Batches


async def test_a_batch_is_submitted_in_order_and_runs(api: Api) -> None:
    items = [{"function": "fiboa", "params": [number, 1], "tags": {"n": str(number)}} for number in range(1, 6)]
    answer = await api.post("/v1/executions/batch", {"items": items})
    assert answer.status == 201
    for number, item in enumerate(answer.body["items"], 1):
        assert item["existed"] is False
        found = (await api.get(f"/v1/executions/{item['id']}/result?wait=30")).body
        assert found["status"] == "finished"
        shown = (await api.get(f"/v1/executions/{item['id']}")).body
        assert (shown["params"], shown["tags"]) == ([number, 1], {"n": str(number)})


async def test_the_same_batch_again_with_chosen_ids_is_no_second_run(api: Api) -> None:
    batch = {"items": [{"function": FIBOA, "params": [1, 1], "id": f"E_01J0000000000000000000000{n}"} for n in "12"]}
    assert (await api.post("/v1/executions/batch", batch)).status == 201
    again = await api.post("/v1/executions/batch", batch)
    assert (again.status, [item["existed"] for item in again.body["items"]]) == (200, [True, True])


GOOD = {"function": FIBOA, "params": [1, 1]}
ID = "E_01J00000000000000000000001"


@pytest.mark.parametrize(
    ("items", "status", "problem", "index"),
    [
        ([GOOD, {"function": "nothing"}], 404, "unknown-function", 1),
        ([GOOD, GOOD, {"function": FIBOA, "params": [1]}], 422, "invalid-params", 2),
        ([{"function": FIBOA, "params": [1, "x"]}, GOOD], 422, "invalid-params", 0),
        ([GOOD, {**GOOD, "id": "E_1"}], 400, "invalid-name", 1),
        ([{**GOOD, "id": ID}, {**GOOD, "id": ID}], 400, "invalid-request", 1),
        ([GOOD, {**GOOD, "due": "soon"}], 400, "invalid-request", 1),
    ],
)
async def test_one_bad_item_refuses_the_batch_and_is_named(
    api: Api, items: list[Any], status: int, problem: str, index: int
) -> None:
    answer = await api.post("/v1/executions/batch", {"items": items})
    assert (answer.status, answer.body["type"]) == (status, f"urn:obelisk:problem:{problem}")
    assert answer.body["index"] == index
    assert f"item {index}:" in answer.body["detail"]
    assert await api.count() == 0


async def test_a_conflict_in_a_batch_names_the_item_and_nothing_is_submitted(api: Api) -> None:
    await api.post("/v1/executions", {**GOOD, "id": ID, "wait": 30})
    before = await api.count()
    answer = await api.post("/v1/executions/batch", {"items": [GOOD, {**GOOD, "params": [2, 1], "id": ID}]})
    assert (answer.status, answer.body["type"], answer.body["index"]) == (409, "urn:obelisk:problem:id-conflict", 1)
    assert await api.count() == before


async def test_a_batch_has_a_size(api: Api) -> None:
    for items in ([], [GOOD] * 1_001):
        answer = await api.post("/v1/executions/batch", {"items": items})
        assert (answer.status, answer.body["type"]) == (400, "urn:obelisk:problem:invalid-request")
    malformed = await api.post("/v1/executions/batch", {"items": [GOOD, {"function": 1}]})
    assert "`$.items[1].function`" in malformed.body["detail"]


async def test_a_full_batch_is_one_transaction(api: Api) -> None:
    before = api.service.store.sequence
    items = [{"function": FIBOA, "params": [1, 1], "paused": True}] * 1_000
    answer = await api.post("/v1/executions/batch", {"items": items})
    assert answer.status == 201
    assert len({item["id"] for item in answer.body["items"]}) == 1_000
    assert api.service.store.sequence == before + 1


# Bulk


async def test_a_dry_run_tells_how_many_and_does_nothing(api: Api) -> None:
    ids = [await api.submit(CANCELLABLE, LONG, wait="10ms") for _ in range(3)]
    await api.submit(FIBOA, "[1, 1]", wait=30)
    found = await dry_run(api, "cancel", {"function": CANCELLABLE})
    assert (found["matches"], found["more"]) == (3, False)
    assert [item["id"] for item in found["samples"]] == list(reversed(ids))
    assert {(await api.get(f"/v1/executions/{id_}")).body["status"] for id_ in ids} == {"blocked"}


async def test_what_a_filter_matches_is_cancelled_page_by_page(api: Api) -> None:
    ids = [await api.submit(CANCELLABLE, LONG, wait="10ms") for _ in range(3)]
    where = {"function": CANCELLABLE, "status": ["blocked"]}
    token = (await dry_run(api, "cancel", where))["token"]
    later = await api.submit(CANCELLABLE, LONG, wait="10ms")
    first = (await real_run(api, "cancel", where, token, limit=2, reason="enough")).body
    assert [(item["id"], item["outcome"]) for item in first["items"]] == [
        (ids[2], "cancelling"),
        (ids[1], "cancelling"),
    ]
    second = (await real_run(api, "cancel", where, token, limit=2, cursor=first["next_cursor"])).body
    assert [item["id"] for item in second["items"]] == [ids[0]]
    assert second["next_cursor"] is None
    for id_ in ids:
        result = (await api.get(f"/v1/executions/{id_}/result?wait=30")).body["result"]
        assert result["failure"]["kind"] == "cancelled"
    assert (await api.get(f"/v1/executions/{later}")).body["status"] == "blocked"


async def test_what_cannot_be_cancelled_is_said(api: Api) -> None:
    id_ = await api.submit(SLEEP, LONG, wait="10ms")
    token = (await dry_run(api, "cancel", {}))["token"]
    (item,) = (await real_run(api, "cancel", {}, token)).body["items"]
    assert item["id"] == id_
    assert "cancellable" in item["refused"]


async def test_many_are_paused_and_resumed(api: Api) -> None:
    ids = {await api.submit(SLEEP, LONG, wait="10ms") for _ in range(3)}
    for action, word in (("pause", "paused"), ("resume", "active")):
        token = (await dry_run(api, action, {}))["token"]
        answer = await real_run(api, action, {}, token)
        assert {item["id"] for item in answer.body["items"]} == ids
        assert {(await api.get(f"/v1/executions/{id_}")).body["lifecycle"] for id_ in ids} == {word}


async def test_finished_trees_are_deleted_and_others_are_not(api: Api) -> None:
    done = [await api.submit(FIBOA, "[1, 1]", wait=30) for _ in range(2)]
    held = await api.submit(FIBOA, "[1, 1]", wait=30)
    await api.post(f"/v1/executions/{held}/hold", "{}")
    asleep = await api.submit(SLEEP, LONG, wait="10ms")
    token = (await dry_run(api, "delete", {}))["token"]
    items = (await real_run(api, "delete", {}, token)).body["items"]
    assert {item["id"] for item in items if "outcome" in item} == set(done)
    assert {item["id"] for item in items if "refused" in item} == {held, asleep}
    assert (await api.get(f"/v1/executions/{done[0]}")).status == 404
    refused = await api.post("/v1/bulk/delete", {"filter": {"children": True}, "dry_run": True})
    assert refused.status == 400


async def test_nothing_is_done_without_a_dry_run_of_the_same(api: Api) -> None:
    await api.submit(SLEEP, LONG, wait="10ms")
    without = await api.post("/v1/bulk/pause", {"filter": {}})
    assert (without.status, without.body["type"]) == (409, "urn:obelisk:problem:dry-run-needed")
    token = (await dry_run(api, "pause", {"function": SLEEP}))["token"]
    for answer in (await real_run(api, "pause", {}, token), await real_run(api, "resume", {"function": SLEEP}, token)):
        assert (answer.status, answer.body["type"]) == (409, "urn:obelisk:problem:dry-run-needed")
    assert (await real_run(api, "pause", {"function": SLEEP}, "x")).status == 400


async def test_nothing_is_done_if_more_match_than_the_dry_run_said(api: Api) -> None:
    id_ = await api.submit(SLEEP, LONG, wait="10ms")
    where = {"status": ["paused"]}
    token = (await dry_run(api, "resume", where))["token"]
    await api.post(f"/v1/executions/{id_}/pause", "{}")
    answer = await real_run(api, "resume", where, token)
    assert (answer.status, answer.body["expected"], answer.body["found"]) == (409, 0, 1)
    assert (await api.get(f"/v1/executions/{id_}")).body["lifecycle"] == "paused"


async def test_more_than_can_be_counted_is_said(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MATCHES_MAX", 2)
    for _ in range(3):
        await api.submit(SLEEP, LONG, paused=True)
    found = await dry_run(api, "cancel", {})
    assert (found["matches"], found["more"], len(found["samples"])) == (2, True, 2)


@pytest.mark.parametrize("limit", [1, 100])
async def test_no_more_is_done_than_was_counted(api: Api, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(bulk, "MATCHES_MAX", 2)
    for _ in range(3):
        await api.submit(CANCELLABLE, LONG, paused=True)
    token = (await dry_run(api, "cancel", {}))["token"]
    done: list[Any] = []
    cursor: str | None = None
    while True:
        page = await real_run(api, "cancel", {}, token, limit=limit, cursor=cursor)
        assert page.status == 200
        done += page.body["items"]
        cursor = page.body["next_cursor"]
        if cursor is None:
            break
    assert len(done) == 2
    cancelled = {item["id"] for item in done}
    left = (await api.get("/v1/executions?status=paused")).body["items"]
    assert len([item for item in left if item["id"] not in cancelled]) == 1


@pytest.mark.parametrize("cursor", [None, "0 x", "999999 x"])
async def test_where_nothing_is_left_nothing_is_done(api: Api, cursor: str | None) -> None:
    where = {"status": ["paused"]}
    token = (await dry_run(api, "resume", where))["token"]
    answer = await real_run(api, "resume", where, token, cursor=cursor)
    assert (answer.status, answer.body) == (200, {"matches": 0, "items": [], "next_cursor": None})


async def test_a_cursor_that_was_not_given_is_refused(api: Api) -> None:
    token = (await dry_run(api, "pause", {}))["token"]
    answer = await real_run(api, "pause", {}, token, cursor="x")
    assert (answer.status, answer.body["type"]) == (400, "urn:obelisk:problem:invalid-name")


async def test_a_tag_that_is_given_two_values_matches_nothing_and_is_refused(api: Api) -> None:
    where = {"tag": ["env=prod", "env=test"]}
    answer = await api.post("/v1/bulk/cancel", {"filter": where, "dry_run": True})
    assert (answer.status, answer.body["type"]) == (400, "urn:obelisk:problem:invalid-request")
    assert "'env' two values" in answer.body["detail"]
    assert (await api.get("/v1/executions?tag=env=prod&tag=env=prod")).status == 200
