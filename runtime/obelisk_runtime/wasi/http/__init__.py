"""wasi:http for guests: requests, responses, and their bodies with backpressure. It knows no HTTP library.

Outgoing: `WasiState(world, outgoing=...)` gets an `Outgoing`, which sends what the guest hands to
`wasi:http/outgoing-handler`; without one every request is denied.

Incoming, for whoever calls `handle(own<incoming-request>, own<response-outparam>)` of `wasi:http/incoming-handler`:

    head = RequestHead(method="POST", path="/orders?x=1", headers=[("Content-Type", b"text/plain")], scheme="http",
                       authority="example.com")
    request, outparam, answer = incoming(state, head, source)     # two handles, and a future
    call = linked.start(HANDLE, (request, outparam), context, limits)
    answered = await answer                                       # Answer(status, headers); HttpFailed if there is none
    async for chunk in answered.chunks(): ...                     # HttpFailed if the guest did not finish it
    answered.trailers                                             # after the last chunk

- `source` is a `BodySource`: `read()` answers the next bytes when the guest wants some and b"" at the end, or raises
  `HttpFailed`; wrap it in `LimitedSource` to bound its size. `EmptySource()` is a body without bytes.
- The guest goes on after it has answered: drive the call and take the chunks at the same time. A chunk is done with
  when the next one is asked for; until then the guest cannot write more than a buffer.
- When the client is gone, `answered.body.fail(...)` tells the guest; `state.close()`, once the call has ended, closes
  what it left: no answer, or a body that is not finished, is HttpFailed then. Nobody has to take either.
- `inform` of `incoming` sends informational responses, where the server can.
"""

import asyncio

from obelisk_runtime.wasi.http.arriving import arrive
from obelisk_runtime.wasi.http.bodies import BodySource, EmptySource, IncomingBody, LimitedSource, OutgoingBody
from obelisk_runtime.wasi.http.error_code import ErrorCase, ErrorCode, HttpFailed, failed
from obelisk_runtime.wasi.http.fields import FIELDS_BYTES_MAX, Field, Fields, is_name, is_value
from obelisk_runtime.wasi.http.messages import (
    Answer,
    IncomingRequest,
    IncomingResponse,
    Inform,
    OutgoingRequest,
    RequestHead,
    RequestOptions,
    ResponseOutparam,
)
from obelisk_runtime.wasi.http.outgoing import OUTGOING_HANDLER, Outgoing
from obelisk_runtime.wasi.http.types import TYPES
from obelisk_runtime.wasi.state import Interfaces, WasiState

INTERFACES: Interfaces = {"types": TYPES, "outgoing-handler": OUTGOING_HANDLER}


def incoming(
    state: WasiState, head: RequestHead, source: BodySource, inform: Inform | None = None
) -> tuple[int, int, "asyncio.Future[Answer]"]:
    """Handles of an incoming-request and a response-outparam for the guest, and what it will answer."""
    outparam = ResponseOutparam(inform)
    return state.add(IncomingRequest(head, source)), state.add(outparam), outparam.answer


__all__ = [
    "FIELDS_BYTES_MAX",
    "INTERFACES",
    "Answer",
    "BodySource",
    "EmptySource",
    "ErrorCase",
    "ErrorCode",
    "Field",
    "Fields",
    "HttpFailed",
    "IncomingBody",
    "IncomingRequest",
    "IncomingResponse",
    "Inform",
    "LimitedSource",
    "Outgoing",
    "OutgoingBody",
    "OutgoingRequest",
    "RequestHead",
    "RequestOptions",
    "ResponseOutparam",
    "arrive",
    "failed",
    "incoming",
    "is_name",
    "is_value",
]
