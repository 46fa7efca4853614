"""What can be wrong with a value that came as JSON. `str(error)` tells a person where, what was expected and found."""

import json
from dataclasses import dataclass

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.types import FunctionType

SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """A value as short JSON for a message. Total: also for values that have no JSON form."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (RecursionError, TypeError, ValueError):
        text = f"a value of type {type(value).__name__} that is too large to show"
    return shortened(text)


def shortened(text: str) -> str:
    text = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return text.encode("utf-8", "backslashreplace").decode()


class Mismatch(Exception):
    """Inside this package only: raised by a check, given its path by the checks around it, last step first."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected, found)
        self.expected = expected
        self.found = found
        self.steps: list[str] = []

    @property
    def path(self) -> str:
        return "".join(reversed(self.steps))


class ListTooLongHere(Exception):
    """Inside this package only: a list longer than the limit."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


@dataclass(frozen=True, slots=True)
class Subject:
    """What is being checked: all parameters of a function, one by name, or its result."""

    function: str
    part: str
    type: object
    """Its str() is shown."""

    def __str__(self) -> str:
        return f"{self.function}, {self.part}"


class InvalidValue(ObeliskError):
    """The base: parameters or a result that were refused. Nothing was created."""

    def __init__(self, subject: Subject, message: str, path: str = "") -> None:
        super().__init__(f"{subject}{f' at {path}' if path else ''}: {message}")
        self.subject = subject


class InvalidJson(InvalidValue):
    """The text is no JSON (RFC 8259) in UTF-8."""

    def __init__(self, subject: Subject, reason: str) -> None:
        super().__init__(subject, f"the text is not valid JSON: {reason}")
        self.reason = reason


class WrongParamCount(InvalidValue):
    def __init__(self, subject: Subject, function: FunctionType, found: int) -> None:
        expected = len(function.params)
        listed = ", ".join(f"{name}: {item}" for name, item in function.params)
        takes = f"{expected} parameter{'' if expected == 1 else 's'}"
        super().__init__(subject, f"expected {takes} ({listed}), found {found}")
        self.expected = expected
        self.found = found


class TypeMismatch(InvalidValue):
    """A value does not fit its WIT type. `path` leads from the parameter or result to it: `.lines[2].price`."""

    def __init__(self, subject: Subject, mismatch: Mismatch) -> None:
        whole = shortened(str(subject.type))
        of = "" if mismatch.expected.startswith(whole) else f"; the type is {whole}"
        super().__init__(subject, f"expected {mismatch.expected}, found {mismatch.found}{of}", mismatch.path)
        self.path = mismatch.path
        self.expected = mismatch.expected
        self.found = mismatch.found


class PayloadTooLarge(InvalidValue):
    def __init__(self, subject: Subject, size: int, limit: int) -> None:
        super().__init__(subject, f"{size} bytes of JSON; the limit payload_bytes_max is {limit}")
        self.size = size
        self.limit = limit


class NestedTooDeep(InvalidValue):
    def __init__(self, subject: Subject, limit: int) -> None:
        super().__init__(subject, f"the JSON is nested too deep; the limit nesting_depth is {limit}")
        self.limit = limit


class ListTooLong(InvalidValue):
    def __init__(self, subject: Subject, length: int, limit: int) -> None:
        super().__init__(subject, f"a list of {length} items; the limit list_length is {limit}")
        self.length = length
        self.limit = limit
