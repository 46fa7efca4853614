"""What a caller can get wrong, one type for each fact. Outcomes of user code are events, never errors."""


class ObeliskError(Exception):
    """The base of every typed error; `str(error)` says what was found, what was expected and what to do."""


class InvalidName(ObeliskError):
    """A text that is no id, function name, interface name or join set name."""

    def __init__(self, kind: str, found: str, expected: str) -> None:
        super().__init__(f"{found!r} is not a valid {kind}; expected {expected}")
        self.kind = kind
        self.found = found
        self.expected = expected
