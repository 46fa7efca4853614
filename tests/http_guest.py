"""A guest of wasi:http without WebAssembly, and a body for it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from obelisk_runtime.wasi import WasiState
from obelisk_runtime.wasi.http import (
    INTERFACES,
    Answer,
    BodySource,
    Field,
    HttpFailed,
    IncomingRequest,
    RequestHead,
    ResponseOutparam,
)

FUNCTIONS = {
    signature.partition(": ")[0]: call for interface in INTERFACES.values() for signature, call in interface.items()
}


class Guest:
    """Calls functions of wasi:http as the engine would."""

    def __init__(self, state: WasiState) -> None:
        self.state = state

    def __call__(self, function: str, *arguments: Any) -> Any:
        return FUNCTIONS[function](self.state, *arguments)

    def drop(self, rep: int) -> None:
        self.state.drop(rep)

    def fields(self, *entries: tuple[str, bytes]) -> int:
        return self("[static]fields.from-list", entries)["ok"]

    def entries(self, fields: int) -> list[tuple[str, bytes]]:
        return [tuple(entry) for entry in self("[method]fields.entries", fields)]


class Script:
    """A BodySource of chunks and failures, one for each read."""

    def __init__(self, *chunks: bytes | HttpFailed, trailers: Sequence[Field] | None = None) -> None:
        self._left = list(chunks)
        self._trailers = trailers
        self.closed = False

    async def read(self) -> bytes:
        chunk = self._left.pop(0) if self._left else b""
        if isinstance(chunk, HttpFailed):
            raise chunk
        return chunk

    async def trailers(self) -> Sequence[Field] | None:
        return self._trailers

    def close(self) -> None:
        self.closed = True


def incoming(state: WasiState, head: RequestHead, source: BodySource) -> tuple[int, int, "asyncio.Future[Answer]"]:
    """The arguments of `handle`, and what the guest will answer, of any head and source."""
    outparam = ResponseOutparam()
    return state.add(IncomingRequest(head, source)), state.add(outparam), outparam.answer
