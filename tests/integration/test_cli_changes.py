"""What `--watch` waits for: the stream of a real server, also after it broke."""

import asyncio
from contextlib import closing

import pytest

from api_server import LONG, SLEEP, Api
from obelisk_server.access.tokens import new_token
from obelisk_server.api.followers import Follower
from obelisk_server.cli import changes
from obelisk_server.cli.changes import Changes
from obelisk_server.cli.client import Client
from obelisk_server.config.access import AccessSettings, TokenSettings
from obelisk_server.endpoints import Scope


async def wait(hints: Changes) -> None:
    async with asyncio.timeout(120):
        await asyncio.to_thread(hints.wait)


async def listened_to(api: Api, before: Follower | None = None) -> Follower:
    """By another one than before."""
    followers = api.context.followers._all
    async with asyncio.timeout(120):
        while not followers - {before}:  # noqa: ASYNC110 - each turn of the loop brings it nearer
            await asyncio.sleep(0)
    return (followers - {before}).pop()


async def test_changes_are_waited_for_on_a_stream_that_is_taken_up_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Client(api.url)) as client, Changes(client, "stream-all", {}) as hints:
        first = await listened_to(api)
        await wait(hints)  # it may have missed something before
        monkeypatch.setattr(changes, "EVERY_SECONDS", 0.05)  # how soon it tries again; and it does not look so often
        waiting = asyncio.create_task(wait(hints))
        await api.submit(SLEEP, LONG)
        await waiting
        first.end()
        await wait(hints)  # it broke
        await listened_to(api, first)
        await wait(hints)
        waiting = asyncio.create_task(wait(hints))
        await api.submit(SLEEP, LONG)
        await waiting


async def test_without_a_stream_time_passes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "EVERY_SECONDS", 0.01)
    hash_ = bytes.fromhex(new_token(b"x" * 32)[1].removeprefix("sha256:"))
    api.context.guard.replace(AccessSettings(tokens=(TokenSettings("other", hash_, frozenset(Scope), None, None),)))
    with closing(Client(api.url)) as client, Changes(client, "stream-all", {}) as hints:
        for _ in range(3):
            await wait(hints)
        await asyncio.to_thread(hints._thread.join, 20)
        assert not hints._thread.is_alive(), "it was refused, and does not try again"
        await wait(hints)
    with closing(Client("http://127.0.0.1:1")) as client, Changes(client, "stream-all", {}) as hints:
        await wait(hints)
