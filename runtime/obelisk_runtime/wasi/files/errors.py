"""Error codes of wasi:filesystem."""

import errno
from enum import StrEnum


class ErrorCode(StrEnum):
    """In WIT's order, as component values."""

    ACCESS = "access"
    WOULD_BLOCK = "would_block"
    ALREADY = "already"
    BAD_DESCRIPTOR = "bad_descriptor"
    BUSY = "busy"
    DEADLOCK = "deadlock"
    QUOTA = "quota"
    EXIST = "exist"
    FILE_TOO_LARGE = "file_too_large"
    ILLEGAL_BYTE_SEQUENCE = "illegal_byte_sequence"
    IN_PROGRESS = "in_progress"
    INTERRUPTED = "interrupted"
    INVALID = "invalid"
    IO = "io"
    IS_DIRECTORY = "is_directory"
    LOOP = "loop"
    TOO_MANY_LINKS = "too_many_links"
    MESSAGE_SIZE = "message_size"
    NAME_TOO_LONG = "name_too_long"
    NO_DEVICE = "no_device"
    NO_ENTRY = "no_entry"
    NO_LOCK = "no_lock"
    INSUFFICIENT_MEMORY = "insufficient_memory"
    INSUFFICIENT_SPACE = "insufficient_space"
    NOT_DIRECTORY = "not_directory"
    NOT_EMPTY = "not_empty"
    NOT_RECOVERABLE = "not_recoverable"
    UNSUPPORTED = "unsupported"
    NO_TTY = "no_tty"
    NO_SUCH_DEVICE = "no_such_device"
    OVERFLOW = "overflow"
    NOT_PERMITTED = "not_permitted"
    PIPE = "pipe"
    READ_ONLY = "read_only"
    INVALID_SEEK = "invalid_seek"
    TEXT_FILE_BUSY = "text_file_busy"
    CROSS_DEVICE = "cross_device"


_CODES = {
    errno.EACCES: ErrorCode.ACCESS,
    errno.EAGAIN: ErrorCode.WOULD_BLOCK,
    errno.EALREADY: ErrorCode.ALREADY,
    errno.EBADF: ErrorCode.BAD_DESCRIPTOR,
    errno.EBUSY: ErrorCode.BUSY,
    errno.EDEADLK: ErrorCode.DEADLOCK,
    errno.EDQUOT: ErrorCode.QUOTA,
    errno.EEXIST: ErrorCode.EXIST,
    errno.EFBIG: ErrorCode.FILE_TOO_LARGE,
    errno.EILSEQ: ErrorCode.ILLEGAL_BYTE_SEQUENCE,
    errno.EINTR: ErrorCode.INTERRUPTED,
    errno.EINVAL: ErrorCode.INVALID,
    errno.EISDIR: ErrorCode.IS_DIRECTORY,
    errno.ELOOP: ErrorCode.LOOP,
    errno.EMLINK: ErrorCode.TOO_MANY_LINKS,
    errno.EMFILE: ErrorCode.QUOTA,
    errno.ENAMETOOLONG: ErrorCode.NAME_TOO_LONG,
    errno.ENFILE: ErrorCode.QUOTA,
    errno.ENODEV: ErrorCode.NO_DEVICE,
    errno.ENOENT: ErrorCode.NO_ENTRY,
    errno.ENOLCK: ErrorCode.NO_LOCK,
    errno.ENOMEM: ErrorCode.INSUFFICIENT_MEMORY,
    errno.ENOSPC: ErrorCode.INSUFFICIENT_SPACE,
    errno.ENOTDIR: ErrorCode.NOT_DIRECTORY,
    errno.ENOTEMPTY: ErrorCode.NOT_EMPTY,
    errno.ENOTSUP: ErrorCode.UNSUPPORTED,
    errno.ENOTTY: ErrorCode.NO_TTY,
    errno.ENXIO: ErrorCode.NO_SUCH_DEVICE,
    errno.EOVERFLOW: ErrorCode.OVERFLOW,
    errno.EPERM: ErrorCode.NOT_PERMITTED,
    errno.EPIPE: ErrorCode.PIPE,
    errno.EROFS: ErrorCode.READ_ONLY,
    errno.ESPIPE: ErrorCode.INVALID_SEEK,
    errno.ETXTBSY: ErrorCode.TEXT_FILE_BUSY,
    errno.EXDEV: ErrorCode.CROSS_DEVICE,
}


class Refused(Exception):
    """A file operation that this host refuses."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code)
        self.code = code


def code_of(error: OSError | Refused) -> ErrorCode:
    """`io` for what has no code of its own."""
    if isinstance(error, Refused):
        return error.code
    return _CODES.get(error.errno or 0, ErrorCode.IO)
