"""wasi:http for guests: requests, responses, and their bodies with backpressure. It knows no HTTP library.

Outgoing: `WasiState(world, outgoing=...)` gets an `Outgoing`, which sends what the guest hands to
`wasi:http/outgoing-handler`; without one every request is denied.

Incoming: `arrive(state, request)` makes the arguments of `wasi:http/incoming-handler`'s `handle` from an `HttpRequest`
of ports/http.py, and a future of what the guest answers.

- The guest goes on after it has answered: drive the call and take the chunks at the same time. A chunk is done with
  when the next one is asked for; until then the guest cannot write more than a buffer.
- When the client is gone, the body's `fail` tells the guest; `state.close()`, once the call has ended, closes what it
  left: no answer, or a body that is not finished, is HttpFailed then. Nobody has to take either.
"""

from obelisk_runtime.wasi.http.arriving import arrive
from obelisk_runtime.wasi.http.bodies import BodySource, EmptySource, IncomingBody, LimitedSource, OutgoingBody
from obelisk_runtime.wasi.http.error_code import ErrorCase, ErrorCode, HttpFailed, failed
from obelisk_runtime.wasi.http.fields import FIELDS_BYTES_MAX, Field, Fields, is_name, is_value
from obelisk_runtime.wasi.http.messages import (
    Answer,
    IncomingRequest,
    IncomingResponse,
    OutgoingRequest,
    RequestHead,
    RequestOptions,
    ResponseOutparam,
)
from obelisk_runtime.wasi.http.outgoing import OUTGOING_HANDLER, Outgoing
from obelisk_runtime.wasi.http.types import TYPES
from obelisk_runtime.wasi.state import Interfaces

INTERFACES: Interfaces = {"types": TYPES, "outgoing-handler": OUTGOING_HANDLER}

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
    "LimitedSource",
    "Outgoing",
    "OutgoingBody",
    "OutgoingRequest",
    "RequestHead",
    "RequestOptions",
    "ResponseOutparam",
    "arrive",
    "failed",
    "is_name",
    "is_value",
]
