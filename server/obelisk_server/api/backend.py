"""What the API needs of the service, and what the service answers."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from obelisk_runtime.core.deployment import ComponentSettings
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.events import Outcome
from obelisk_runtime.core.ids import DelayId, Digest, ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType
from obelisk_runtime.core.wiring import ExportedFunction
from obelisk_runtime.ports.store import Store


class NotCancellable(ObeliskError):
    pass


class Overloaded(ObeliskError):
    pass


class Submitted(Protocol):
    @property
    def id(self) -> ExecutionId: ...

    @property
    def existed(self) -> bool: ...


class CancelResult(Protocol):
    @property
    def what(self) -> str: ...


class DeployedComponent(Protocol):
    @property
    def settings(self) -> ComponentSettings: ...

    @property
    def digest(self) -> Digest: ...

    @property
    def exports(self) -> Mapping[Ffqn, FunctionType]: ...

    @property
    def imports(self) -> Sequence[str]: ...

    @property
    def size(self) -> int: ...


class Backend(Protocol):
    """`obelisk_runtime.service.Service`, as far as the API uses it."""

    @property
    def store(self) -> Store: ...

    @property
    def functions(self) -> Mapping[Ffqn, ExportedFunction]: ...

    @property
    def components(self) -> Sequence[DeployedComponent]: ...

    async def submit(
        self,
        function: Ffqn,
        params: bytes,
        *,
        id: ExecutionId | None = None,  # noqa: A002 - the service's word
        tags: Mapping[str, str] | None = None,
    ) -> Submitted: ...

    async def wait(self, id: ExecutionId) -> Outcome:  # noqa: A002 - the service's word
        ...

    async def cancel(self, id: ExecutionId | DelayId) -> CancelResult:  # noqa: A002 - the service's word
        ...
