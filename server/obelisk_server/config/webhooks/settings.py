"""Webhooks as configured: what is mounted where, and what is asked of requests."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from obelisk_runtime.core.names import Ffqn
from obelisk_server.config.access import TlsFiles
from obelisk_server.config.secrets import unknown_secret
from obelisk_server.config.toml_lines import KeyPath
from obelisk_server.config.values import Listen
from obelisk_server.config.webhooks.request_values import FromRequest, Source
from obelisk_server.config.webhooks.route_patterns import Route, conflicts


class SignatureStyle(StrEnum):
    GITHUB = "github"
    SLACK = "slack"
    STANDARD = "standard"

    @property
    def timed(self) -> bool:
        """Whether a signature says when it was made."""
        return self is not SignatureStyle.GITHUB


@dataclass(frozen=True, slots=True)
class Signature:
    """What proves that a request is from whom it should be."""

    style: SignatureStyle
    secret: str
    """A name in `[secrets]`."""
    window: int
    """Microseconds that the time of a signature may be off, if it has one."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Answer with the result if it is there in time."""

    wait: int
    """Microseconds."""
    err: int
    """The status of an `err`."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of the requests to one webhook."""

    timeout: int
    """Microseconds."""
    concurrency_max: int | None
    body_bytes_max: int


@dataclass(frozen=True, slots=True)
class FunctionWebhook:
    """A webhook without code: requests become executions of a function."""

    name: str
    routes: tuple[Route, ...]
    bounds: Bounds
    function: Ffqn
    params: tuple[tuple[str, Source], ...]
    signature: Signature | None
    idempotency_key: FromRequest | None
    respond: Wait | None
    """None: answer as soon as the execution is there."""


@dataclass(frozen=True, slots=True)
class ComponentWebhook:
    """A component that handles requests."""

    name: str
    routes: tuple[Route, ...]
    bounds: Bounds


Webhook = FunctionWebhook | ComponentWebhook


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """The listener of webhooks and what is mounted on it."""

    listen: Listen
    requests_max: int
    api_url: str | None
    webhooks: tuple[Webhook, ...] = ()
    tls: TlsFiles | None = None


def route_conflicts(webhooks: Sequence[Webhook]) -> Iterator[tuple[KeyPath, str]]:
    """Routes that fit the same requests."""
    owned = [
        (hook.name, at, index, route) for at, hook in enumerate(webhooks) for index, route in enumerate(hook.routes)
    ]
    for later, earlier in conflicts([route for *_, route in owned]):
        name, at, index, route = owned[later]
        other, _, _, before = owned[earlier]
        yield ("webhook", at, "routes", index), f"{route} of {name} fits the same requests as {before} of {other}"


def unknown_secrets(webhooks: Sequence[Webhook], known: Sequence[str]) -> Iterator[tuple[KeyPath, str]]:
    for at, hook in enumerate(webhooks):
        if isinstance(hook, FunctionWebhook) and hook.signature is not None and hook.signature.secret not in known:
            yield ("webhook", at, "signature", "secret"), unknown_secret(hook.signature.secret, known)
