"""Guests of five toolchains, built the ordinary way: what they see as activities, and as workflows that are replayed."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from obelisk_runtime.core import events as ev

LANGUAGES = ("c", "go", "javascript", "python", "rust")
VISITOR = "testing:visitor/visitor."


@pytest.fixture
def storage() -> str:
    return "memory"


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def visit(site: Any, activity: Any, language: str, end: Any) -> Callable[..., Awaitable[Any]]:
    service = await site.start(activity(f"visitor_{language}", env={"HOME": "/nowhere", "MODE": "täst"}))

    async def visit(function: str, *params: Any) -> Any:
        return await end(service, VISITOR + function, params)

    return visit


async def test_look(visit: Any) -> None:
    print(await visit("look"))
    print(await visit("nap", 20))
    print(await visit("draw", 600))
    print(await visit("say", "hällo", "err"))
    print(await visit("read", "/data/x"))
    order = {"id": 2**63, "customer": ["Ann", 33], "lines": [{"article": "tea", "amount": 1}, {"article": "ä", "amount": 2}],
      "note": "x", "paid": True, "weight": 1.5, "balance": -7, "priority": "high", "extras": ["gift", "express"], "delivery": {"post": "here"}, "tags": ["a", ""]}
    print(await visit("mirror", order))
    order["lines"] = []
    print(await visit("mirror", order))
