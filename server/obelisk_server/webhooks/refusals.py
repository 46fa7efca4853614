"""Requests that webhooks refuse, and their problem details."""

from collections.abc import Sequence

from obelisk_runtime.core import values
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.ports import store
from obelisk_runtime.service import FunctionNotFound, NoRoomForGuest, Overloaded, WebhookNotFound
from obelisk_server.serving import BodyCutOff, BodyTooLarge, ProblemType, retry_soon


class NoRoute(ObeliskError):
    def __init__(self) -> None:
        super().__init__("no webhook is mounted here")


class WrongMethod(ObeliskError):
    def __init__(self, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{method} is not possible here; allowed is {', '.join(allowed)}")
        self.allowed = tuple(allowed)


class MalformedRequest(ObeliskError):
    """A path, a form or a JSON body that is none."""


class WrongContentType(ObeliskError):
    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"the content type is {found!r}; expected {expected}")


class ForeignOrigin(ObeliskError):
    """A page elsewhere lets a browser send what nobody signed."""

    def __init__(self, origin: str) -> None:
        super().__init__(f"the Origin is {origin!r}, which is not this server")


class UnfitValue(ObeliskError):
    """The request does not have a value that the function can take."""

    def __init__(self, part: str, source: str, expected: str, found: str) -> None:
        super().__init__(f"{part}, which is taken from {source}: expected {expected}, found {found}")
        self.part = part
        self.source = source
        self.expected = expected
        self.found = found


class SignatureRefused(ObeliskError):
    """Nothing proves that the request is from whom it should be."""


class RequestTooSlow(ObeliskError):
    def __init__(self, seconds: float) -> None:
        super().__init__(f"the request was not there, or not handled, within {seconds:g} s")


class HandlerFailed(ObeliskError):
    """The component did not answer: a bug in it. Its log has the reason."""

    def __init__(self, execution_id: str | None) -> None:
        super().__init__("the webhook did not answer" + (f"; see {execution_id}" if execution_id else ""))
        self.execution_id = execution_id


class HandlerTooSlow(HandlerFailed):
    """The component did not answer in time."""


class HandlerEnded(ObeliskError):
    """The request was ended: by an operator, with the server, or since the store does not work."""

    def __init__(self) -> None:
        super().__init__("the request was ended before it was answered; try again soon")


class WebhookBusy(ObeliskError):
    def __init__(self, name: str, limit: int) -> None:
        super().__init__(f"the webhook {name} handles {limit} requests already (concurrency_max); try again soon")


class ServerBusy(ObeliskError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} requests are handled already ([webhooks] requests_max); try again soon")


class Stopping(ObeliskError):
    def __init__(self) -> None:
        super().__init__("the server stops; try again soon")


def _unfit(error: UnfitValue) -> dict[str, str]:
    return {"part": error.part, "source": error.source, "expected": error.expected, "found": error.found}


def _mismatch(error: values.TypeMismatch) -> dict[str, str]:
    return {"part": error.subject.part, "path": error.path, "expected": error.expected, "found": error.found}


def _execution(error: HandlerFailed) -> dict[str, str]:
    return {} if error.execution_id is None else {"execution": error.execution_id}


_UNFIT = ("unfit-value", "The request does not fit the function")
_LARGE = (413, "body-too-large", "The body is too large")
PROBLEMS: dict[type[ObeliskError], ProblemType] = {
    MalformedRequest: ProblemType(400, "malformed-request", "The request cannot be read"),
    BodyCutOff: ProblemType(400, "malformed-request", "The request cannot be read"),
    UnfitValue: ProblemType(400, *_UNFIT, _unfit),
    values.InvalidValue: ProblemType(400, *_UNFIT),
    values.TypeMismatch: ProblemType(400, *_UNFIT, _mismatch),
    SignatureRefused: ProblemType(401, "signature-refused", "The request is not signed as it should be"),
    ForeignOrigin: ProblemType(403, "foreign-request", "The request is not meant for this server"),
    NoRoute: ProblemType(404, "no-webhook", "There is nothing here"),
    WrongMethod: ProblemType(
        405, "method-not-allowed", "This method is not possible here", headers=lambda e: {"Allow": ", ".join(e.allowed)}
    ),
    RequestTooSlow: ProblemType(408, "request-too-slow", "The request took too long"),
    store.IdConflict: ProblemType(409, "idempotency-conflict", "The key was used for another request"),
    BodyTooLarge: ProblemType(*_LARGE, lambda e: {"limit": e.limit}),
    values.PayloadTooLarge: ProblemType(*_LARGE, lambda e: {"limit": e.limit}),
    WrongContentType: ProblemType(415, "unsupported-media-type", "The body must be of another type"),
    HandlerFailed: ProblemType(502, "webhook-failed", "The webhook failed", _execution),
    HandlerTooSlow: ProblemType(504, "webhook-too-slow", "The webhook took too long", _execution),
    HandlerEnded: ProblemType(503, "request-ended", "The request was ended", headers=retry_soon),
    WebhookBusy: ProblemType(429, "webhook-busy", "The webhook is at its limit", headers=retry_soon),
    ServerBusy: ProblemType(503, "server-busy", "The server is at its limit", headers=retry_soon),
    Overloaded: ProblemType(503, "server-busy", "The server is at its limit", headers=retry_soon),
    NoRoomForGuest: ProblemType(503, "server-busy", "The server is at its limit", headers=retry_soon),
    Stopping: ProblemType(503, "server-stops", "The server stops", headers=retry_soon),
    FunctionNotFound: ProblemType(503, "function-gone", "The function is not deployed now", headers=retry_soon),
    WebhookNotFound: ProblemType(503, "webhook-gone", "The component is not deployed now", headers=retry_soon),
    store.StoreUnavailable: ProblemType(503, "store-unavailable", "The store does not work now", headers=retry_soon),
}
