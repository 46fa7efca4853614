"""What is mounted: made and checked from a configuration, swapped at once on reload."""

import asyncio
import logging
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.wiring import ExportedFunction
from obelisk_server.config import ServerConfig
from obelisk_server.config.secrets import SecretUnavailable
from obelisk_server.config.webhooks.settings import ComponentWebhook, FunctionWebhook, Webhook
from obelisk_server.webhooks.components import ComponentMount
from obelisk_server.webhooks.declared import FunctionMount, Surroundings
from obelisk_server.webhooks.mapping import Mapper
from obelisk_server.webhooks.refusals import ServerBusy, Stopping, WebhookBusy
from obelisk_server.webhooks.routes import Match, Routes
from obelisk_server.webhooks.signatures import signing_key

_log = logging.getLogger(__name__)
Functions = Mapping[Ffqn, ExportedFunction]


class Mount(Protocol):
    """A webhook that is there."""

    @property
    def webhook(self) -> Webhook: ...

    async def answer(self, request: web.BaseRequest, match: Match[Any]) -> web.StreamResponse:
        """Raises: ObeliskError, as in `refusals.PROBLEMS`."""
        ...


@dataclass(frozen=True, slots=True)
class _Prepared:
    routes: Routes[Mount]
    requests_max: int


class Mounts:
    """The webhooks of a server. Requests that began go on with what was mounted then."""

    def __init__(self, surroundings: Surroundings, environ: Mapping[str, str]) -> None:
        self.surroundings = surroundings
        self._environ = environ
        self._routes = Routes[Mount](())
        self._requests_max = 0
        self._prepared = _Prepared(self._routes, 0)
        self._active = Counter[str]()
        self._handlers: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def prepare(self, config: ServerConfig, functions: Functions) -> list[str]:
        """Everything that is wrong; if nothing is, `install` may follow. Nothing changes before."""
        settings = config.webhooks
        if settings is None:
            self._prepared = _Prepared(Routes[Mount](()), 0)
            return []
        problems: list[str] = []
        mounts = [mount for hook in settings.webhooks for mount in self._mount(hook, config, functions, problems)]
        routes = Routes[Mount]((route, mount) for mount in mounts for route in mount.webhook.routes)
        self._prepared = _Prepared(routes, settings.requests_max)
        return problems

    def install(self) -> None:
        self._routes, self._requests_max = self._prepared.routes, self._prepared.requests_max

    def _mount(
        self, webhook: Webhook, config: ServerConfig, functions: Functions, problems: list[str]
    ) -> Iterator[Mount]:
        try:
            match webhook:
                case FunctionWebhook():
                    yield self._function_mount(webhook, config, functions)
                case ComponentWebhook():
                    yield ComponentMount(webhook, self.surroundings.service)
        except (ValueError, SecretUnavailable) as error:
            problems += [f"webhook {webhook.name}: {line}" for line in str(error).splitlines()]

    def _function_mount(self, webhook: FunctionWebhook, config: ServerConfig, functions: Functions) -> Mount:
        """Raises: ValueError, SecretUnavailable."""
        exported = functions.get(webhook.function)
        if exported is None:
            raise ValueError(f"no deployed component exports {webhook.function}")
        key = None
        if webhook.signature is not None:
            name = webhook.signature.secret
            try:
                key = signing_key(webhook.signature.style, config.secrets[name].read(self._environ))
            except (ValueError, SecretUnavailable) as error:
                raise ValueError(f"the secret {name}: {error}") from None
        mapper = Mapper(exported.type, webhook.params)
        return FunctionMount(webhook, mapper, key, self.surroundings)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Raises: ObeliskError, as in `refusals.PROBLEMS`."""
        match = self._routes.find(request.method, request.raw_path.partition("?")[0])
        with self._admitted(match.target.webhook):
            return await match.target.answer(request, match)

    @contextmanager
    def _admitted(self, webhook: Webhook) -> Generator[None]:
        """Raises: Stopping, ServerBusy, WebhookBusy."""
        if self.surroundings.stopping.is_set():
            raise Stopping
        if self._active.total() >= self._requests_max:
            raise ServerBusy(self._requests_max)
        limit = webhook.bounds.concurrency_max
        if limit is not None and self._active[webhook.name] >= limit:
            raise WebhookBusy(webhook.name, limit)
        task = asyncio.current_task()
        assert task is not None
        self._active[webhook.name] += 1
        self._handlers.add(task)
        self._idle.clear()
        try:
            yield
        finally:
            self._handlers.discard(task)
            self._active[webhook.name] -= 1
            if not self._active[webhook.name]:
                del self._active[webhook.name]
            if not self._active:
                self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Refuse new requests, answer those that wait for a result, let the others end for so long, end the rest."""
        self.surroundings.stopping.set()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            _log.info("requests to webhooks were still handled at shutdown", extra={"count": self._active.total()})
            for task in self._handlers:
                task.cancel()
