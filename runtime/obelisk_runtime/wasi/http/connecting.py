"""Connections that lead only where they may: names are resolved once, addresses checked, and the peer checked again.

A session is for one set of `Reach`: a connection that was opened for who may reach private addresses is never used for
who may not.
"""

import socket
import ssl
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import certifi
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from obelisk_runtime.core.addresses import Reach, reach_of
from obelisk_runtime.core.allowed_hosts import prohibited
from obelisk_runtime.wasi.http.error_code import ErrorCase, failed

CONNECTIONS_MAX = 1_000
"""Of one session; one more waits."""
HEAD_BYTES_MAX = 64 * 1024
"""A line of a response's head."""
_NOT_BY_ITSELF = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp would add."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the usual authorities, and those of the file. Raises: OSError (of which ssl.SSLError is one)."""
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def new_session(
    reaches: frozenset[Reach], resolver: AbstractResolver, context: ssl.SSLContext
) -> aiohttp.ClientSession:
    """It adds nothing to a request, follows no redirect by itself, and knows no proxy and no cookies."""
    return aiohttp.ClientSession(
        connector=_Connector(reaches, resolver, context),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        skip_auto_headers=_NOT_BY_ITSELF,
        timeout=aiohttp.ClientTimeout(total=None),
        max_line_size=HEAD_BYTES_MAX,
        max_field_size=HEAD_BYTES_MAX,
    )


class _Resolver(AbstractResolver):
    """Answers the addresses that may be reached."""

    def __init__(self, reaches: frozenset[Reach], resolver: AbstractResolver) -> None:
        self._reaches, self._resolver = reaches, resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [result for result in found if reach_of(ip_address(result["host"])) in self._reaches]
        if found and not allowed:
            raise failed(ErrorCase.DESTINATION_IP_PROHIBITED, prohibited(ip_address(found[0]["host"])))
        return allowed

    async def close(self) -> None:
        """The resolver is shared."""


class _Connector(aiohttp.TCPConnector):
    def __init__(self, reaches: frozenset[Reach], resolver: AbstractResolver, context: ssl.SSLContext) -> None:
        # Without a cache what was resolved is what is connected to; there is nothing in between.
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - one of its parameters has no type
            resolver=_Resolver(reaches, resolver), use_dns_cache=False, ssl=context, limit=CONNECTIONS_MAX
        )
        self._reaches = reaches

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - of the method that is overridden
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        transport = connection.transport
        peer = None if transport is None else transport.get_extra_info("peername")
        if peer is None:
            return connection  # it is gone already: sending fails
        address = ip_address(peer[0].partition("%")[0])
        if reach_of(address) not in self._reaches:
            connection.close()
            raise failed(ErrorCase.DESTINATION_IP_PROHIBITED, prohibited(address))
        return connection
