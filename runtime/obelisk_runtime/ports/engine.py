"""Guests: how components are compiled, linked to host functions and called.

Values cross as *component values* in the JSON shape of `core.values`: bool, int, float, str, None, list, dict; records
as dicts with snake_case keys; `result` as `{"ok": v}` / `{"err": e}` (v, e None without payload); a variant case as
`"case"` or `{"case": v}`; an enum as its name; flags as the list of set names in declaration order; an `option` as None
or the value, but `{"some": v}` where the item is itself an option; tuples as lists; `char` as one character; `list<u8>`
as `bytes` (the JSON array is made at the edge); floats as Python floats, also non-finite. Names of cases, enum members
and flags are snake_case. Handles of host resources cross as their `rep`, an int the host chose.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from obelisk_runtime.core.guest_outcomes import Dropped, GuestOutcome
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

`context` is the object given to `start`. It runs on the event loop. An awaitable that is not a Future becomes a task,
which is cancelled when the call is dropped; a Future stays its owner's. At once or later: raising `GuestTrap(reason)`
traps the guest; any other exception is a bug and ends the call as `HostFailed`.
"""

ResourceDestructor = Callable[[Any, int], None]
"""`(context, rep)`: the guest dropped its own handle. Synchronous."""


class GuestTrap(Exception):
    """Raised by a host function to trap the calling guest with a message."""


class GuestExit(GuestTrap):
    """Raised by a host function to unwind a guest that asked to exit; the call ends as `Trapped`, also when `ok`."""

    def __init__(self, *, ok: bool, code: int | None = None) -> None:
        word = "success" if ok else "failure"
        status = word if code is None else f"{word}, code {code}"
        super().__init__(f"the guest called exit with {status}, and so has no result: a function has to return")
        self.ok = ok


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
        event loop, before `wait`. After None the guest goes on by itself.

        Raises: GuestsExhausted.
        """
        ...

    async def wait(self) -> GuestOutcome:
        """Drive the guest to its end. Cancelling this drops the guest.

        Raises: GuestsExhausted.
        """
        ...

    def drop(self, outcome: GuestOutcome = Dropped()) -> None:  # noqa: B008 - frozen
        """End the call now with this outcome: unwinds the guest and releases everything. Idempotent, from the loop.

        A guest that computes in a thread stops within a few ticks of 10 ms; `wait` returns at once. Destructors of the
        handles it holds do not run.
        """
        ...

    @property
    def memory_bytes(self) -> int:
        """Memory that the guest made resident, 0 once released.

        An estimate, as wasmtime has no call for it: the page faults while it ran.
        """
        ...


class LinkedComponent(Protocol):
    """A component with every import bound; cheap to start."""

    def start(self, function: Ffqn, arguments: tuple[Value, ...], context: object, limits: GuestLimits) -> GuestCall:
        """Prepare a call in a new instance; nothing of the guest runs until `poll` or `wait`. End it, or `drop` it.

        Arguments have been checked against the type (`core.values`). Raises: KeyError for a function not exported.
        """
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
    def resources(self) -> tuple[ImportedResource, ...]:
        """Each imported resource once, by the interface that defines it; aliases in other interfaces are not listed."""
        ...

    @property
    def wit(self) -> str:
        """Its world as WIT text, with the names of types. Making it the first time takes milliseconds."""
        ...

    def link(
        self,
        functions: Mapping[tuple[str, str], HostFunction],
        destructors: Mapping[tuple[str, str], ResourceDestructor],
    ) -> LinkedComponent:
        """Bind imports, keyed by (interface, name); more than needed may be given.

        Raises: MissingImport for a function or resource that is not bound.
        """
        ...


class Engine(Protocol):
    async def compile(self, wasm: bytes) -> CompiledComponent:
        """Compile, or load the cached artifact of these bytes; off the event loop.

        Raises: NotAComponent (the bytes are a core module, text, truncated, or anything else), UnsupportedComponent.
        """
        ...

    async def close(self) -> None:
        """Stop the epoch ticker and worker threads; drop what still runs."""
        ...


class NotAComponent(Exception):
    """The bytes are not a component; the message says what they are."""


class UnsupportedComponent(Exception):
    """A component that needs what no host here provides: streams, futures, imports outside of interfaces."""


class GuestsExhausted(Exception):
    """No room for one more guest in this process. Pressure, not a failure of the guest: drop others, then try again."""


class MissingImport(Exception):
    """A component imports a function that the host did not bind."""

    def __init__(self, interface: str, name: str) -> None:
        super().__init__(f"the component imports {interface}.{name}, which the host does not provide")
        self.interface = interface
        self.name = name
