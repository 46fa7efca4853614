"""wasi:http/outgoing-handler: hands a request to whoever sends it for this guest."""

from collections.abc import Awaitable
from typing import Protocol

from obelisk_runtime.ports.engine import Value
from obelisk_runtime.wasi.http import error_code
from obelisk_runtime.wasi.http.error_code import ErrorCase, ErrorCode
from obelisk_runtime.wasi.http.messages import (
    FutureIncomingResponse,
    IncomingResponse,
    OutgoingRequest,
    RequestOptions,
)
from obelisk_runtime.wasi.state import WasiCall, WasiState


class Outgoing(Protocol):
    """Sends the requests of one guest call."""

    def send(self, request: OutgoingRequest, options: RequestOptions) -> Awaitable[IncomingResponse]:
        """Until the head of the response is there. Cancelled, the request is. Raises: HttpFailed."""
        ...


def handle(state: WasiState, request: int, options: int | None) -> Value:
    sent = state.take(request, OutgoingRequest)
    chosen = RequestOptions() if options is None else state.take(options, RequestOptions)
    if state.outgoing is None:
        return {"err": ErrorCode(ErrorCase.REQUEST_DENIED).value}
    return {"ok": state.add(FutureIncomingResponse(state.outgoing.send(sent, chosen)))}


OUTGOING_HANDLER: dict[str, WasiCall] = {
    "handle: func(request: own<outgoing-request>, options: option<own<request-options>>)"
    f" -> result<own<future-incoming-response>, {error_code.WIT_TYPE}>": handle,
}
