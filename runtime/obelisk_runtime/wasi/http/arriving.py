"""Requests from outside as `wasi:http/incoming-handler` takes them."""

from collections.abc import Sequence

from obelisk_runtime.ports.http import HttpBroken, HttpRequest, Incoming, RequestBody
from obelisk_runtime.wasi.http.bodies import LimitedSource
from obelisk_runtime.wasi.http.error_code import ErrorCase, failed
from obelisk_runtime.wasi.http.fields import FORBIDDEN, Field, is_name, is_value
from obelisk_runtime.wasi.http.messages import IncomingRequest, RequestHead, ResponseOutparam
from obelisk_runtime.wasi.state import WasiState


def arrive(state: WasiState, request: HttpRequest) -> Incoming:
    """Hand it to the guest, as the arguments of `handle`."""
    head = RequestHead(request.method, request.path, _fields(request), request.scheme, request.authority)
    source = LimitedSource(_Source(request.body), request.body_bytes_max, ErrorCase.REQUEST_BODY_SIZE)
    outparam = ResponseOutparam()
    return Incoming((state.add(IncomingRequest(head, source)), state.add(outparam)), outparam.answer)


def _fields(request: HttpRequest) -> list[Field]:
    """Without those that say how a message is transported."""
    return [
        (name, value)
        for name, value in request.headers
        if name.lower() not in FORBIDDEN and is_name(name) and is_value(value)
    ]


class _Source:
    """A BodySource."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body

    async def read(self) -> bytes:
        try:
            return await self._body.read()
        except HttpBroken as broken:
            raise failed(ErrorCase.CONNECTION_TERMINATED, str(broken)) from None

    async def trailers(self) -> Sequence[Field] | None:
        return None

    def close(self) -> None:
        self._body.close()
