"""Outgoing HTTP through aiohttp: one for a server, shared by all guests. Closed by whoever made it."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver

from obelisk_runtime.core.addresses import Reach
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.ports.guest import GuestWorld
from obelisk_runtime.ports.network import NetworkGrants
from obelisk_runtime.wasi.http.connecting import new_session, tls_context
from obelisk_runtime.wasi.http.exchange import Exchange, Line
from obelisk_runtime.wasi.http.messages import IncomingResponse, OutgoingRequest, RequestOptions

CLOSE_SECONDS = 2.0


class UnusableAuthorities(ObeliskError):
    """The file of certificate authorities cannot be read."""


class HttpClient:
    """Made where an event loop runs. `resolver` is asked for the addresses of names, else the system."""

    def __init__(self, ca_file: Path | None = None, resolver: AbstractResolver | None = None) -> None:
        """Raises: UnusableAuthorities."""
        try:
            self._context = tls_context(ca_file)
        except OSError as error:
            raise UnusableAuthorities(f"{ca_file} cannot be used as certificate authorities: {error}") from error
        self._resolver = resolver or aiohttp.ThreadedResolver()
        self._sessions: dict[frozenset[Reach], aiohttp.ClientSession] = {}
        self._slots: dict[tuple[str, int], asyncio.Semaphore] = {}

    def outgoing(self, world: GuestWorld) -> "GuestOutgoing | None":
        """For one guest call; None if it may make no requests at all."""
        grants = world.network
        return None if grants is None else GuestOutgoing(self, world, grants)

    def line(self, grants: NetworkGrants) -> Line:
        key = grants.component, grants.limits.connections_max
        return Line(self._session, self._slots.setdefault(key, asyncio.Semaphore(key[1])))

    async def close(self) -> None:
        """A peer that reads nothing any more is not waited for longer than CLOSE_SECONDS."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(session.close() for session in self._sessions.values()))
        await self._resolver.close()

    def _session(self, reaches: frozenset[Reach]) -> aiohttp.ClientSession:
        if reaches not in self._sessions:
            self._sessions[reaches] = new_session(reaches, self._resolver, self._context)
        return self._sessions[reaches]


class GuestOutgoing:
    """An `Outgoing`."""

    def __init__(self, client: HttpClient, world: GuestWorld, grants: NetworkGrants) -> None:
        self._client, self._world, self._grants = client, world, grants

    def send(self, request: OutgoingRequest, options: RequestOptions) -> Awaitable[IncomingResponse]:
        return Exchange(self._client.line(self._grants), self._world, self._grants, request, options).send()
