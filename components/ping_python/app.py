import time

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import InputStream, OutputStream, StreamError_Closed
from wit_world.imports.types import Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam

CHUNK_BYTES = 64 * 1024


class IncomingHandler(exports.IncomingHandler):
    """The body comes back as it comes in; a path that ends in `/slow` takes its time first."""

    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        if (request.path_with_query() or "").endswith("/slow"):
            time.sleep(0.2)
        response = OutgoingResponse(Fields())
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with request.consume() as received:
            with received.stream() as source, body.write() as target:
                copy(source, target)
            OutgoingBody.finish(body, None)


def copy(source: InputStream, target: OutputStream) -> None:
    try:
        while True:
            target.blocking_splice(source, CHUNK_BYTES)
    except Err as error:
        if not isinstance(error.value, StreamError_Closed):
            raise
