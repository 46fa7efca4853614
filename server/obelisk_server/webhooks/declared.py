"""Webhooks without code: a request becomes an execution of a function."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, assert_never

import msgspec
from aiohttp import web

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, derived_id
from obelisk_runtime.ports.clock import Clock
from obelisk_runtime.service import WEBHOOK_TAG, Service, Submitted, Terms
from obelisk_server.access import same_origin
from obelisk_server.config.webhooks.settings import FunctionWebhook, Wait
from obelisk_server.serving import Problem, ProblemType, problem_response, read_body
from obelisk_server.serving.problems import SERVER
from obelisk_server.webhooks.components import EXECUTION_HEADER
from obelisk_server.webhooks.mapping import Mapper, Parts, key_text
from obelisk_server.webhooks.refusals import ForeignOrigin, RequestTooSlow
from obelisk_server.webhooks.routes import Match
from obelisk_server.webhooks.signatures import verify

_FAILED = {status: ProblemType(status, "execution-failed", "The execution failed") for status in (500, 502)}
_OF_THE_SERVER = frozenset({ev.FailureKind.LOST, ev.FailureKind.REJECTED})
"""Failures that are no doing of the function."""


@dataclass(slots=True)
class Surroundings:
    """What webhooks work with."""

    service: Service
    clock: Clock
    api_url: str
    """Where clients reach the API, without a slash at the end."""
    stopping: asyncio.Event

    def address(self, execution_id: ExecutionId) -> str:
        return f"{self.api_url}/v1/executions/{execution_id}"


class FunctionMount:
    """One `[[webhook]]` with a function."""

    def __init__(
        self, webhook: FunctionWebhook, mapper: Mapper, signing_key: bytes | None, surroundings: Surroundings
    ) -> None:
        self.webhook = webhook
        self._mapper = mapper
        self._signing_key = signing_key
        self._surroundings = surroundings

    async def answer(self, request: web.BaseRequest, match: Match[Any]) -> web.StreamResponse:
        """Raises: ObeliskError, as in `refusals.PROBLEMS`."""
        webhook, service = self.webhook, self._surroundings.service
        seconds = webhook.bounds.timeout / 1e6
        try:
            async with asyncio.timeout(seconds):
                parts = await self._parts(request, match)
                params, chosen = self._mapper.params(parts), self._id(request.method, match, parts)
                terms = Terms(tags={WEBHOOK_TAG: webhook.name})
                if webhook.respond is None:
                    return self._accepted(await service.submit(webhook.function, params, id=chosen, terms=terms))
                submitted, end = await service.submit_watched(webhook.function, params, id=chosen, terms=terms)
        except TimeoutError:
            raise RequestTooSlow(seconds) from None
        outcome = await _at_most(webhook.respond.wait / 1e6, end, self._surroundings.stopping)
        return self._accepted(submitted) if outcome is None else self._ended(submitted, outcome, webhook.respond)

    async def _parts(self, request: web.BaseRequest, match: Match[Any]) -> Parts:
        """Of a request that may be taken. Raises: BodyTooLarge, BodyCutOff, SignatureRefused, ForeignOrigin."""
        body = await read_body(request, self.webhook.bounds.body_bytes_max)
        self._refuse_strangers(request, body)
        return Parts(request.method, match.decoded, request.raw_path.partition("?")[2], request.headers, body)

    def _refuse_strangers(self, request: web.BaseRequest, body: bytes) -> None:
        """Raises: SignatureRefused, ForeignOrigin."""
        signature = self.webhook.signature
        if signature is not None:
            assert self._signing_key is not None
            verify(signature, self._signing_key, request.headers, body, self._surroundings.clock.now())
            return
        origin = request.headers.get("Origin")
        if origin is not None and not same_origin(origin, request.headers.get("Host", "")):
            raise ForeignOrigin(origin)

    def _id(self, method: str, match: Match[Any], parts: Parts) -> ExecutionId | None:
        source = self.webhook.idempotency_key
        if source is None:
            return None
        return idempotent_id(method, match.pattern.text, key_text(source, parts))

    def _accepted(self, submitted: Submitted) -> web.Response:
        address = self._surroundings.address(submitted.id)
        answer = {"id": submitted.id, "existed": submitted.existed, "url": address}
        return _json(202, msgspec.json.encode(answer), submitted.id, Location=address)

    def _ended(self, submitted: Submitted, outcome: ev.Outcome, wait: Wait) -> web.Response:
        match outcome:
            case ev.Ok(value):
                return _json(200, (value or "null").encode(), submitted.id)
            case ev.Err(value):
                return _json(wait.err, (value or "null").encode(), submitted.id)
            case ev.Failed(kind=kind):
                problem = _FAILED[500 if kind in _OF_THE_SERVER else 502]
                fields = {"kind": kind.label, "execution": submitted.id}
                detail, headers = f"{submitted.id} failed: {kind.label}", {EXECUTION_HEADER: submitted.id}
                return problem_response(Problem(problem, detail, fields, headers))
            case _:
                assert_never(outcome)


def idempotent_id(method: str, path: str, key: str) -> ExecutionId:
    """The id of the execution that a key stands for on a route, whose path is as in obelisk.toml."""
    return derived_id(sha256(f"{method} {path}\n{key}".encode("utf-8", "surrogateescape")).digest())


async def _at_most(seconds: float, end: Coroutine[Any, Any, ev.Outcome], stopping: asyncio.Event) -> ev.Outcome | None:
    """None: it has not ended after this long, or when the server stops."""
    ending = asyncio.ensure_future(end)
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((ending, stop), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return ending.result() if ending.done() else None
    finally:
        ending.cancel()
        stop.cancel()


def _json(status: int, body: bytes, execution_id: ExecutionId, **headers: str) -> web.Response:
    fixed = {"Content-Type": "application/json", "Server": SERVER, EXECUTION_HEADER: execution_id}
    return web.Response(body=body, status=status, headers={**fixed, **headers})
