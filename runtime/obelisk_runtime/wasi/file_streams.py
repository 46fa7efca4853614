"""Streams of the bytes of files, and threads for what may block."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from obelisk_runtime.wasi.files import open_file
from obelisk_runtime.wasi.files.errors import Refused, code_of
from obelisk_runtime.wasi.files.open_file import OpenFile
from obelisk_runtime.wasi.streams import READ_BYTES_MAX, BufferedOutputStream, IoError, SourceStream, StreamFailed

_Answer = TypeVar("_Answer")


async def in_thread(work: Callable[[], _Answer]) -> _Answer:
    return await asyncio.get_running_loop().run_in_executor(None, work)


class FileInputStream(SourceStream):
    """A file from an offset to its end; a file that has grown goes on."""

    __slots__ = ("_file", "_offset")

    prompt = True

    def __init__(self, file: OpenFile, offset: int) -> None:
        """Takes over the file."""
        super().__init__(self._pull_more)
        self._file = file
        self._offset = offset

    def close(self) -> None:
        super().close()
        self._file.close()

    async def _pull_more(self) -> bytes:
        try:
            contents = await in_thread(partial(open_file.read, self._file, READ_BYTES_MAX, self._offset))
        except (OSError, Refused) as error:
            raise StreamFailed(io_error(error)) from error
        self._offset += len(contents)
        return contents


class FileOutputStream(BufferedOutputStream):
    """To a file from an offset on; for one that is open for appending the offset does not matter."""

    __slots__ = ("_file", "_offset")

    def __init__(self, file: OpenFile, offset: int) -> None:
        """Takes over the file."""
        super().__init__()
        self._file = file
        self._offset = offset

    async def write_out(self) -> None:
        """All that the guest writes, until it has dropped the stream."""
        try:
            while chunk := await self.take():
                await in_thread(partial(open_file.write_all, self._file, chunk, self._offset))
                self._offset += len(chunk)
        except (OSError, Refused) as error:
            self.fail(io_error(error))
        finally:
            self._file.close()


def io_error(error: OSError | Refused) -> IoError:
    code = code_of(error)
    return IoError(f"a file: {code.replace('_', ' ')}", code)
