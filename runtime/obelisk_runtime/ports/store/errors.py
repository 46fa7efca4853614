"""What can go wrong with a store."""

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId


class VersionConflict(ObeliskError):
    """The log moved on: nothing was written. Read the new tail and decide again."""

    def __init__(self, execution_id: ExecutionId, expected: int, found: int) -> None:
        super().__init__(f"{execution_id} is at version {found}, not {expected}")
        self.execution_id = execution_id
        self.expected = expected
        self.found = found


class ResponsesMoved(ObeliskError):
    """A response came in that the decision had not seen: nothing was written. Read it and decide again."""

    def __init__(self, execution_id: ExecutionId, expected: int, found: int) -> None:
        super().__init__(f"{execution_id} has {found} responses, not {expected}")
        self.execution_id = execution_id
        self.expected = expected
        self.found = found


class IdConflict(ObeliskError):
    """The id is taken by an execution (or delay) with another content."""

    def __init__(self, execution_id: str, detail: str) -> None:
        super().__init__(f"{execution_id} exists already with {detail}; choose another id or submit the same content")
        self.execution_id = execution_id


class ExecutionNotFound(ObeliskError):
    def __init__(self, execution_id: str) -> None:
        super().__init__(f"there is no execution {execution_id}")
        self.execution_id = execution_id


class StoreUnavailable(ObeliskError):
    """The store cannot write or read now: disk full, read-only, corrupt. Nothing was written."""


class StoreInUse(ObeliskError):
    """Another server holds this store."""


class SchemaTooNew(ObeliskError):
    """A newer release wrote this store."""


class StoreCorrupt(ObeliskError):
    """The file is not a store, or is damaged."""
