"""Guests: how components are compiled, linked to host functions and called.

Values cross as *component values* in the JSON shape of `core.values`: bool, int, float, str, None, list, dict; records
as dicts with snake_case keys; `result` as `{"ok": v}` / `{"err": e}` (v, e None without payload); a variant case as
`"case"` or `{"case": v}`; an enum as its name; flags as the list of set names in declaration order; an `option` as None
or the value, but `{"some": v}` where the item is itself an option; tuples as lists; `char` as one character; `list<u8>`
as `bytes` (the JSON array is made at the edge); floats as Python floats, also non-finite. Names of cases, enum members and
flags are snake_case. Handles of host resources cross as their `rep`, an int the host chose.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from obelisk_runtime.core.ids import Digest
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.types import FunctionType

Value = Any


@dataclass(frozen=True, slots=True)
class ImportedFunction:
    """A function that a component imports. Methods keep WIT's spelling: `[method]join-set.id`."""

    interface: str
    name: str
    type: FunctionType


@dataclass(frozen=True, slots=True)
class ImportedResource:
    """A resource type that a component imports: `obelisk:types/join-set@5.0.0`, `join-set`."""

    interface: str
    name: str


HostFunction = Callable[[Any, tuple[Value, ...]], "Value | Awaitable[Value]"]
"""`(context, arguments) -> value`, at once, or an awaitable for an answer later (the guest suspends).

`context` is the object given to `start`. It runs on the event loop. Raise `GuestTrap(reason)` to trap the guest; an
awaitable that raises ends the call as trapped with the error's text. Any other exception is a bug: it ends the call as
`HostFailed` and never leaves the callback.
"""

ResourceDestructor = Callable[[Any, int], None]
"""`(context, rep)`: the guest dropped its own handle. Synchronous."""


class GuestTrap(Exception):
    """Raised by a host function to trap the calling guest with a message."""


@dataclass(frozen=True, slots=True)
class Returned:
    value: Value


@dataclass(frozen=True, slots=True)
class Trapped:
    message: str
    backtrace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutOfFuel:
    pass


@dataclass(frozen=True, slots=True)
class TimedOut:
    pass


@dataclass(frozen=True, slots=True)
class Dropped:
    pass


GuestOutcome = Returned | Trapped | OutOfFuel | TimedOut | Dropped


@dataclass(frozen=True, slots=True)
class GuestLimits:
    """Bounds of one guest call. None is no bound. A guest that exceeds one ends as an outcome."""

    memory_bytes: int = 256 * 1024 * 1024
    table_elements: int = 100_000
    fuel: int | None = None
    payload_bytes: int = 2 * 1024 * 1024
    may_use_threads: bool = True
    """True: from its first epoch yield on the call is polled by a worker thread (activities). False: it stays on
    the event loop and is time-sliced (workflows)."""


class GuestCall(Protocol):
    """One call of one exported function in an instance of its own."""

    def poll(self) -> GuestOutcome | None:
        """Run the guest on this thread until it ends (its outcome), or waits or uses up its slice (None).

        Optional fast path before `wait`: a short guest ends here without a task switch. Call it at most once, from the
        event loop, before `wait`.
        """
        ...

    async def wait(self) -> GuestOutcome:
        """Drive the guest to its end. Cancelling this drops the guest."""
        ...

    def drop(self, outcome: GuestOutcome = Dropped()) -> None:
        """End the call now with this outcome: unwinds the guest and releases everything. Idempotent, from the loop."""
        ...

    @property
    def memory_bytes(self) -> int:
        """Linear memory in use by the guest, 0 once released."""
        ...


class LinkedComponent(Protocol):
    """A component with every import bound; cheap to start."""

    def start(self, function: Ffqn, arguments: tuple[Value, ...], context: object, limits: GuestLimits) -> GuestCall:
        """Instantiate and begin a call. Does not run the function until `poll` or `wait`."""
        ...


class CompiledComponent(Protocol):
    @property
    def digest(self) -> Digest: ...

    @property
    def exports(self) -> Mapping[Ffqn, FunctionType]:
        """Functions of exported interfaces."""
        ...

    @property
    def imports(self) -> tuple[ImportedFunction, ...]:
        """Every function of every imported interface."""
        ...

    @property
    def resources(self) -> tuple[ImportedResource, ...]: ...

    def link(
        self,
        functions: Mapping[tuple[str, str], HostFunction],
        destructors: Mapping[tuple[str, str], ResourceDestructor],
    ) -> LinkedComponent:
        """Bind imports, keyed by (interface, name). Raises: MissingImport for one that is not bound."""
        ...


class Engine(Protocol):
    async def compile(self, wasm: bytes) -> CompiledComponent:
        """Compile, or load the cached artifact of these bytes; off the event loop.

        Raises: NotAComponent (the bytes are a core module, text, truncated, or anything else).
        """
        ...

    async def close(self) -> None:
        """Stop the epoch ticker and worker threads; drop what still runs."""
        ...


class NotAComponent(Exception):
    """The bytes are not a component; the message says what they are."""


class MissingImport(Exception):
    """A component imports a function that the host did not bind."""

    def __init__(self, interface: str, name: str) -> None:
        super().__init__(f"the component imports {interface}.{name}, which the host does not provide")
        self.interface = interface
        self.name = name


__all__ = [
    "CompiledComponent", "Dropped", "Engine", "GuestCall", "GuestLimits", "GuestOutcome", "GuestTrap",
    "HostFunction", "ImportedFunction", "ImportedResource", "LinkedComponent", "MissingImport",
    "NotAComponent", "OutOfFuel", "ResourceDestructor", "Returned", "TimedOut", "Trapped", "Value",
]  # fmt: skip
