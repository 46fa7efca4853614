"""One component that is deployed or was, one function that it offers, and what can be wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from obelisk_runtime.core.deployment import ComponentSettings
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.events import ExecutionKind
from obelisk_runtime.core.ids import Digest
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType
from obelisk_runtime.core.values import FunctionCodec, InvalidValue
from obelisk_runtime.ports.engine import CompiledComponent, GuestLimits, LinkedComponent


class FunctionNotFound(ObeliskError):
    def __init__(self, function: Ffqn, closest: Sequence[str]) -> None:
        hint = f"; did you mean {' or '.join(closest)}?" if closest else ""
        super().__init__(f"no deployed component exports {function}{hint}")
        self.function = function
        self.closest = tuple(closest)


class BytesMissing(ObeliskError):
    """An execution is pinned to a component whose bytes the store does not have."""

    def __init__(self, digest: Digest) -> None:
        super().__init__(f"the store has no component {digest}")


class BrokenBytes(ObeliskError):
    """This host can no longer run a component that an execution is pinned to."""

    def __init__(self, digest: Digest, reason: str) -> None:
        super().__init__(f"the component {digest} cannot be run here: {reason}")


@dataclass(frozen=True, slots=True)
class BrokenComponent:
    """A component that cannot be loaded at all."""

    component: str
    location: str
    reason: str

    def __str__(self) -> str:
        return f"{self.component} ({self.location}): {self.reason}"


@dataclass(frozen=True, slots=True)
class DeployedComponent:
    settings: ComponentSettings
    digest: Digest
    size: int
    compiled: CompiledComponent
    linked: LinkedComponent
    limits: GuestLimits

    @property
    def exports(self) -> Mapping[Ffqn, FunctionType]:
        return self.compiled.exports


@dataclass(frozen=True, slots=True)
class Target:
    """A function that can be an execution."""

    name: Ffqn
    kind: ExecutionKind
    code: DeployedComponent | None
    """None for a stub."""
    codec: FunctionCodec

    @property
    def component(self) -> DeployedComponent:
        """Only of a function that has code."""
        assert self.code is not None
        return self.code

    def misfit(self, params: str) -> str | None:
        """Why the function does not take parameters that were checked against another deployment's; None if it does."""
        try:
            self.codec.check_params(params)
        except InvalidValue as error:
            return f"the function is deployed with another signature now: {error}"
        return None


def digest_of(wasm: bytes) -> Digest:
    return Digest("sha256:" + sha256(wasm).hexdigest())
