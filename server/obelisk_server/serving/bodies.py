"""Whole bodies of requests, within a limit."""

from aiohttp import HttpVersion11, hdrs, web

from obelisk_runtime.core.errors import ObeliskError


class BodyTooLarge(ObeliskError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")
        self.limit = limit


class BodyCutOff(ObeliskError):
    """The connection ended, or its encoding broke, before the body was complete."""


async def invite_body(request: web.BaseRequest) -> None:
    """Before the first byte is read: a client may wait to be told that the body is wanted."""
    if request.version >= HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """Raises: BodyTooLarge, BodyCutOff."""
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(limit)
    await invite_body(request)
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := await request.content.readany():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge(limit)
    except (ConnectionError, web.RequestPayloadError) as error:
        raise BodyCutOff(f"the body was cut off: {error}") from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
