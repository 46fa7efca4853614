"""Whole bodies of requests, within a limit."""

from aiohttp import web

from obelisk_runtime.core.errors import ObeliskError


class BodyTooLarge(ObeliskError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")
        self.limit = limit


class BodyCutOff(ObeliskError):
    """The connection ended, or its encoding broke, before the body was complete."""


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """Raises: BodyTooLarge, BodyCutOff."""
    if (request.content_length or 0) > limit:
        raise BodyTooLarge(limit)
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
