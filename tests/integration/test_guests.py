"""Guests of five toolchains, built the ordinary way: what they see as activities, and replays of them."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import DirectoryGrant
from obelisk_runtime.service import Matches

LANGUAGES = ("c", "go", "javascript", "python", "rust")
WANDER = "testing:wanderer/wanderer.wander"
ORDER = {
    "id": 2**64 - 1,
    "customer": ["Änne", 255],
    "lines": [{"article": "tea", "amount": 1}, {"article": "", "amount": 2**32 - 1}, {"article": "茶", "amount": 0}],
    "note": "soon",
    "paid": True,
    "weight": -1.5,
    "balance": -(2**31) + 1,
    "priority": "high",
    "extras": ["gift", "express"],
    "delivery": {"post": "here"},
    "tags": ["a", ""],
}

Visit = Callable[..., Awaitable[Any]]


@pytest.fixture
def storage() -> str:
    return "memory"


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def visit(site: Any, activity: Any, language: str, end: Any) -> Visit:
    """Call a function of the visitor: its JSON if it is ok, its outcome if not."""
    service = await site.start(activity(f"visitor_{language}", env={"MODE": "täst"}))

    async def visit(function: str, *params: Any) -> Any:
        outcome = await end(service, f"testing:visitor/visitor.{function}", params)
        return json.loads(outcome.value) if isinstance(outcome, ev.Ok) and outcome.value else outcome

    return visit


async def test_the_environment_is_that_of_the_configuration_and_there_are_no_arguments(visit: Visit) -> None:
    assert await visit("look") == {"arguments": [], "variables": [["MODE", "täst"], ["OBELISK_ATTEMPT", "1"]]}


async def test_clocks_tell_the_time_and_sleeping_takes_it(visit: Visit) -> None:
    rest = await visit("nap", 30)
    assert rest["began_seconds"] > 1_700_000_000
    assert rest["took_milliseconds"] >= 30


async def test_random_bytes_differ_from_call_to_call(visit: Visit) -> None:
    first, second = await visit("draw", 1000), await visit("draw", 1000)
    assert len(first) == len(second) == 1000
    assert first != second
    assert await visit("draw", 0) == []


async def test_values_of_many_types_go_through_a_guest(visit: Visit) -> None:
    mirrored = {"lines": ORDER["lines"][::-1], "note": None, "balance": 2**31 - 1}
    assert await visit("mirror", ORDER) == ORDER | mirrored
    plain = {"priority": "low", "extras": [], "delivery": "pickup", "tags": [], "paid": False, "note": None}
    assert await visit("mirror", ORDER | plain) == ORDER | plain | mirrored


async def test_a_value_of_a_hundred_thousand_parts_goes_through_a_guest(visit: Visit) -> None:
    order = ORDER | {"tags": [""] * 100_000}
    assert len((await visit("mirror", order))["tags"]) == 100_000


async def test_an_error_of_a_guest_is_the_outcome(visit: Visit) -> None:
    assert await visit("mirror", ORDER | {"lines": []}) == ev.Err('"there are no lines"')


async def test_without_a_granted_directory_no_file_can_be_read(visit: Visit) -> None:
    outcome = await visit("read", "/etc/passwd")
    nothing_there, refused = ev.Ok("null"), '{"refused":'
    assert outcome is None or outcome == nothing_there or outcome.value.startswith(refused)


async def test_a_file_of_a_granted_directory_can_be_read(
    site: Any, activity: Any, language: str, end: Any, tmp_path: Path
) -> None:
    content = "".join(f"{line} ä\n" for line in range(20_000))
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "file.txt").write_text(content, encoding="utf-8")
    (tmp_path / "outside.txt").write_text("secret", encoding="utf-8")
    grant = DirectoryGrant(str(tmp_path / "inside"), "/data")
    service = await site.start(activity(f"visitor_{language}", directories=(grant,)))
    read = "testing:visitor/visitor.read"
    assert await end(service, read, ["/data/file.txt"]) == ev.Ok(json.dumps(content, ensure_ascii=False))
    assert await end(service, read, ["/data/nothing.txt"]) == ev.Ok("null")
    for outside in ("/data/../outside.txt", "/data"):
        outcome = await end(service, read, [outside])
        assert isinstance(outcome, ev.Err | ev.Ok)
        assert "secret" not in outcome.value


async def test_what_a_guest_prints_is_in_its_log(site: Any, activity: Any, language: str, run: Any) -> None:
    service = await site.start(activity(f"visitor_{language}"))
    execution_id, outcome = await run(service, "testing:visitor/visitor.say", ["grüße", "oops"])
    assert isinstance(outcome, ev.Ok)
    records = [record for _, record in await site.store.read_logs(execution_id)]
    assert sorted((record.source, record.message) for record in records) == [("stderr", "oops"), ("stdout", "grüße")]


async def test_an_ordinary_program_is_a_workflow_and_replays(
    site: Any, activity: Any, workflow: Any, language: str, run: Any
) -> None:
    service = await site.start(activity("fibo_tiny"), workflow(f"wanderer_{language}"))
    execution_id, outcome = await run(service, WANDER, [3])
    steps = json.loads(outcome.value)
    assert [step["fibo"] for step in steps] == [1, 2, 3]
    assert steps[0]["milliseconds"] + 10 <= steps[1]["milliseconds"] <= steps[2]["milliseconds"] - 10
    assert steps[0]["random"] != steps[1]["random"]
    assert steps[2]["random"] < 1000
    assert await site.lines(execution_id) == [
        f"step {number} at {step['milliseconds']}: {step['random']}" for number, step in enumerate(steps, 1)
    ]
    assert isinstance(await service.replay(execution_id), Matches)
