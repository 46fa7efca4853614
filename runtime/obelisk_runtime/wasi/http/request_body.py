"""The body of a request on its way from the guest to the network: within its limit, with secrets filled in."""

from collections.abc import AsyncIterator, Callable

from obelisk_runtime.core.secrets import Filling, Placeholders, SecretNotAllowed
from obelisk_runtime.wasi.http.bodies import OutgoingBody
from obelisk_runtime.wasi.http.error_code import ErrorCase, HttpFailed, failed

AHEAD_BYTES_MAX = 1024 * 1024
"""How far a body of an announced length is read ahead, if it may hold placeholders, so that the length is right."""


class RequestBody:
    """First `ahead` or `peek`, if need be; then `chunks`, once.

    `failure` says why they ended before the end; `on_failure` is called then.
    """

    def __init__(self, content: OutgoingBody, placeholders: Placeholders, bytes_max: int) -> None:
        self.sent = 0
        self.failure: HttpFailed | None = None
        self.on_failure: Callable[[], None] | None = None
        self._bytes_max = bytes_max
        self._filling = Filling(placeholders)
        self._fixed: int | None = None
        """By how much it had grown when its length was told."""
        self._read: list[bytes] = []
        self._unread = self._filled(content)

    async def peek(self) -> bool:
        """Whether there is any. Raises: HttpFailed."""
        return await self._next() or bool(self._read)

    async def ahead(self, announced: int) -> int:
        """Its length with secrets filled in. Raises: HttpFailed."""
        while sum(map(len, self._read)) <= AHEAD_BYTES_MAX and await self._next():
            pass
        self._fixed = self._filling.grown
        return announced + self._fixed

    async def chunks(self) -> AsyncIterator[bytes]:
        if not self._read:
            yield b""  # aiohttp sends the head with the first bytes, and the guest may wait for an answer before
        while self._read or await self._next():
            chunk = self._read.pop(0)
            self.sent += len(chunk)
            yield chunk

    async def _next(self) -> bool:
        chunk = await anext(self._unread, None)
        if chunk is None:
            return False
        self._read.append(chunk)
        return True

    async def _filled(self, content: OutgoingBody) -> AsyncIterator[bytes]:
        taken = 0
        try:
            async for chunk in content.chunks():
                taken += len(chunk)
                if taken > self._bytes_max:
                    detail = f"the body is larger than {self._bytes_max} bytes"
                    raise failed(ErrorCase.REQUEST_BODY_SIZE, detail, self._bytes_max)
                if filled := self._filling.feed(chunk):
                    self._check_length()
                    yield filled
            if rest := self._filling.end():
                yield rest
        except SecretNotAllowed as error:
            raise self._failed(failed(ErrorCase.REQUEST_DENIED, str(error))) from None
        except HttpFailed as failure:
            raise self._failed(failure) from None

    def _failed(self, failure: HttpFailed) -> HttpFailed:
        self.failure = failure
        if self.on_failure is not None:
            self.on_failure()
        return failure

    def _check_length(self) -> None:
        if self._fixed is not None and self._filling.grown != self._fixed:
            detail = f"a secret's placeholder is beyond the first {AHEAD_BYTES_MAX} bytes of a body with Content-Length"
            raise failed(ErrorCase.INTERNAL_ERROR, detail, f"{detail}; leave Content-Length out")
