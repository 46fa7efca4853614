"""One call of one exported function: a guest on a fiber of its own, polled from the event loop.

The state is in what is set: `outcome` (it has ended), `_answer` (a host function answers later), else it can run. A
call that computes past its slice goes on in a worker thread, or takes turns on the loop; its host functions always run
on the loop. Nobody deletes the fiber while it is polled: `drop` marks, and it is released when the poll returns.
"""

import asyncio
import re
import resource
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from obelisk_runtime.core.guest_outcomes import Dropped, GuestOutcome, HostFailed, OutOfFuel, Returned, Trapped
from obelisk_runtime.engine import native
from obelisk_runtime.engine.fibers import Fibers
from obelisk_runtime.engine.native import VALUE_BYTES, WORDS, Address
from obelisk_runtime.engine.ticker import PAUSE_SECONDS, SLICE_TICKS
from obelisk_runtime.ports.engine import GuestLimits, GuestsExhausted, GuestTrap, ResourceDestructor, Value
from obelisk_runtime.prompt import when_done

if TYPE_CHECKING:
    from obelisk_runtime.engine.linking import BoundImport, ExportedFunction, LinkedGuest

# One block of memory for each call: every address that wasmtime is given lies in it.
_ERROR = 0
_FLAG = 8
_SLOT = 16
_INSTANCE = 24
_FUNCTION = _INSTANCE + native.INSTANCE_BYTES
_RESULT = _FUNCTION + native.FUNCTION_BYTES
_ARGUMENTS = _RESULT + VALUE_BYTES
_PAGE_BYTES = resource.getpagesize()
_FUEL_UNBOUNDED = (1 << 64) - 1


class FiberCall:
    """A GuestCall, and the `codec.Transfer` of its values."""

    __slots__ = (
        "_answer", "_block", "_done", "_drops", "_exhausted", "_exported", "_faults", "_fibers", "_future",
        "_instantiated", "_memory", "_on_answer", "_polling", "_started", "_store", "_task", "_tick", "context",
        "deferred", "failure", "flag", "limits", "linked", "on_thread", "outcome", "payload_left", "slot",
        "store_context",
    )  # fmt: skip

    def __init__(
        self, fibers: Fibers, linked: "LinkedGuest", exported: "ExportedFunction", context: object, limits: GuestLimits
    ) -> None:
        self._fibers, self._exported, self.linked, self.limits = fibers, exported, linked, limits
        self.context: Any = context
        self.outcome: GuestOutcome | None = None
        self.failure: BaseException | None = None
        """What a host function raised; it ends the call after the slice."""
        self.on_thread = False
        self.deferred: tuple[BoundImport, tuple[Value, ...], Address] | None = None
        """A host call made in a worker thread: it runs on the loop after the slice."""
        self.payload_left = limits.payload_bytes
        self._exhausted: GuestsExhausted | None = None
        self._done: asyncio.Future[GuestOutcome] | None = None
        self._answer: asyncio.Future[Value] | None = None
        self._on_answer: Callable[[asyncio.Future[Value]], None] | None = None
        self._task: asyncio.Future[Value] | None = None
        self._drops: list[tuple[ResourceDestructor, int]] = []
        self._started = self._polling = self._instantiated = False
        self._faults = self._tick = 0
        self._block, memory = native.allocate(_ARGUMENTS + exported.codec.arity * VALUE_BYTES)
        self._memory, self.flag, self.slot = memory, memory + _FLAG, memory + _SLOT
        self._prepare_store(limits)
        self._future: Address = native.instantiate_async(
            linked.linker, self.store_context, linked.component, memory + _INSTANCE, memory + _ERROR
        )

    def _prepare_store(self, limits: GuestLimits) -> None:
        self._store: Address = native.store_new(self._fibers.engine, 0, 0)
        self.store_context: Address = native.store_context(self._store)
        self._fibers.by_context[self.store_context] = self
        native.store_limiter(self._store, limits.memory_bytes, limits.table_elements, -1, -1, -1)
        native.context_yield_at_epoch_deadline(self.store_context, SLICE_TICKS)
        if self._fibers.fuel:
            fuel = _FUEL_UNBOUNDED if limits.fuel is None else limits.fuel
            native.context_set_fuel(self.store_context, fuel)

    def encode_arguments(self, arguments: tuple[Value, ...]) -> None:
        """Once, before the first poll. What it raises leaves nothing behind."""
        try:
            self._exported.codec.encode_arguments(arguments, self._memory + _ARGUMENTS, self)
        except BaseException:
            self.drop()
            raise

    @property
    def memory_bytes(self) -> int:
        return self._faults * _PAGE_BYTES if self._store else 0

    def poll(self) -> GuestOutcome | None:
        if not self._started:
            self._run()
        if self._exhausted is not None:
            raise self._exhausted
        return self.outcome

    async def wait(self) -> GuestOutcome:
        outcome = self.poll()
        if outcome is not None:
            return outcome
        self._done = self._fibers.loop.create_future()
        try:
            return await self._done
        finally:
            self.drop()

    def drop(self, outcome: GuestOutcome = Dropped()) -> None:  # noqa: B008 - frozen
        if self.outcome is None:
            self._end(outcome)

    def suspend(self, bound: "BoundImport", answer: Awaitable[Value], results: Address) -> None:
        """The host function answers later; the guest is polled again then."""
        if not isinstance(answer, asyncio.Future):
            answer = self._task = asyncio.ensure_future(answer)
        self._answer, self._on_answer = answer, partial(self._answered, bound, results)
        when_done(answer, self._on_answer)

    def defer_drop(self, destructor: ResourceDestructor, rep: int) -> None:
        """A destructor called in a worker thread runs on the loop, before any later host function of the guest."""
        self._drops.append((destructor, rep))

    def _answered(self, bound: "BoundImport", results: Address, future: "asyncio.Future[Value]") -> None:
        if self._answer is not future:
            return  # dropped between the answer and this
        self._answer = self._on_answer = self._task = None
        try:
            bound.answer(self, future.result(), results)
        except BaseException as error:  # noqa: BLE001 - a host function's failure ends the guest's call
            self._fail(error)
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self.outcome is None:
            if self.on_thread:
                self._run_in_thread()
            else:
                self._run()

    def _run(self) -> None:
        """Poll on the loop until the guest ends, waits or has used up its slice."""
        again = self._started or self._begin()
        ticker = self._fibers.ticker
        while again:
            self._polling = True
            ticker.enter()
            ended = self._poll()
            ticker.leave()
            self._polling = False
            again = self._settle(ended)

    def _begin(self) -> bool:
        """Instantiate, which is too short to give up the GIL for; True to poll. A start function yields at once."""
        self._started = self._polling = True
        native.context_set_epoch_deadline(self.store_context, 0)
        ended = native.future_begin(self._future)
        self._polling = False
        if not ended and self.outcome is None and self.failure is None and self._answer is None:
            return True
        return self._settle(ended)

    def _run_in_thread(self) -> None:
        self._polling = self.on_thread = True
        self._fibers.ticker.enter()
        self._fibers.run_in_thread(self._poll, self._polled_in_thread)

    def _polled_in_thread(self, ended: bool) -> None:  # noqa: FBT001 - what a poll returned
        ticker = self._fibers.ticker
        self._polling = False
        ticker.leave()
        if self.deferred is not None and ticker.ticks == self._tick:
            # It calls the host often rather than computes: on the loop that is twenty times cheaper.
            self.on_thread = False
        if self._run_deferred() or self._settle(ended):
            self._go_on()

    def _run_deferred(self) -> bool:
        """Do on the loop what the guest asked for in a thread; True if it has its answer."""
        try:
            while self._drops and self.outcome is None:
                destructor, rep = self._drops.pop(0)
                destructor(self.context, rep)
            if self.deferred is None or self.outcome is not None:
                return False
            (bound, arguments, results), self.deferred = self.deferred, None
            return bound.call(self, arguments, results)
        except BaseException as error:  # noqa: BLE001 - as in a callback: it ends the guest's call
            self.failure = error
            return False

    def _poll(self) -> bool:
        """One slice, on the loop or in a worker thread. True if the instantiation or the call ended."""
        if self.outcome is not None:
            return False
        self._tick = self._fibers.ticker.ticks
        native.context_set_epoch_deadline(self.store_context, SLICE_TICKS)
        faults = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        ended = native.future_poll(self._future)
        self._faults += resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - faults
        return ended

    def _settle(self, ended: bool) -> bool:  # noqa: FBT001 - what a poll returned
        """Decide what follows a slice; True to poll again where the last one ran."""
        if self.outcome is not None:
            self._release()
        elif self.failure is not None:
            self._fail(self.failure, self._frames() if ended else ())
        elif ended:
            return self._advance()
        elif self._answer is None:
            if self.limits.may_use_threads:
                self._run_in_thread()
            else:
                self._fibers.loop.call_later(PAUSE_SECONDS, self._go_on)
        return False

    def _advance(self) -> bool:
        """The instantiation has ended: begin the call. The call has ended: its outcome."""
        native.future_delete(self._future)
        self._future = 0
        memory = self._memory
        error = WORDS[(memory + _ERROR) >> 3]
        if error:
            self._trap(*native.take_error(error))
            return False
        if self._instantiated:
            self._return()
            return False
        self._instantiated = True
        function, codec = memory + _FUNCTION, self._exported.codec
        found = native.instance_function(memory + _INSTANCE, self.store_context, self._exported.index, function)
        assert found, "the index of an export is valid in every instance"
        self._future = native.call_async(
            function, self.store_context, memory + _ARGUMENTS, codec.arity, memory + _RESULT,
            0 if codec.result is None else 1, memory + _ERROR,
        )  # fmt: skip
        return True

    def _return(self) -> None:
        codec = self._exported.codec.result
        self.payload_left = self.limits.payload_bytes
        try:
            value = None if codec is None else codec.decode(self._memory + _RESULT, self)
        except GuestTrap as trap:
            self._end(Trapped(str(trap)))
        else:
            self._end(Returned(value))

    def _trap(self, message: str, frames: tuple[str, ...]) -> None:
        if any(text in message for text in _EXHAUSTED):
            self._exhausted = GuestsExhausted(message)
            self._end(Dropped())
        elif _FUEL in message:
            self._end(OutOfFuel())
        else:
            self._end(Trapped(_cause(message) + self._memory_hint(message), frames))

    def _memory_hint(self, message: str) -> str:
        """A guest is refused more memory without a word to us, and then traps: only what it had touched tells."""
        limit = f"the {self.limits.memory_bytes >> 20} MiB that it may use (memory_mib)"
        if _MEMORY in message:
            return f": the component begins with more than {limit}; raise it"
        if self.memory_bytes >= self.limits.memory_bytes * _MOST:
            return f"; it had filled most of {limit}: if it ran out of memory, raise it"
        return ""

    def _frames(self) -> tuple[str, ...]:
        """Where in the guest a host function trapped it."""
        error = WORDS[(self._memory + _ERROR) >> 3]
        return native.take_error(error)[1] if error else ()

    def _fail(self, error: BaseException, frames: tuple[str, ...] = ()) -> None:
        self._end(Trapped(str(error), frames) if isinstance(error, GuestTrap) else HostFailed(error))
        if not isinstance(error, Exception | asyncio.CancelledError):
            raise error

    def _end(self, outcome: GuestOutcome) -> None:
        assert self.outcome is None, "a call ends once"
        self.outcome = outcome
        self._started = True
        self._stop_waiting()
        if not self._polling:
            self._release()
        if self._done is not None and not self._done.done():
            if self._exhausted is None:
                self._done.set_result(outcome)
            else:
                self._done.set_exception(self._exhausted)

    def _stop_waiting(self) -> None:
        if self._answer is not None and self._on_answer is not None:
            self._answer.remove_done_callback(self._on_answer)
        if self._task is not None:
            self._task.cancel()
        self._answer = self._on_answer = self._task = None

    def _release(self) -> None:
        """Unwind the guest and free everything, once. Not while it is polled."""
        if not self._store:
            return
        if self._future:
            native.future_delete(self._future)
            self._future = 0
        codec = self._exported.codec
        if codec.arguments_own_memory:
            for index in range(codec.arity):
                native.value_delete(self._memory + _ARGUMENTS + index * VALUE_BYTES)
        if codec.result is not None and codec.result.owns_memory:
            native.value_delete(self._memory + _RESULT)
        del self._fibers.by_context[self.store_context]
        native.store_delete(self._store)
        self._store = 0
        self._block = None


# The texts of wasmtime 50: it has no codes for these. Pinned by tests.
_EXHAUSTED = ("Cannot allocate memory", "maximum concurrent", "os error 12")
_MEMORY = "exceeds memory limits"
_FUEL = "all fuel consumed by WebAssembly"
_EXECUTING = "error while executing at wasm backtrace:"
_BACKTRACE = "\n    0:"
_CAUSED_BY = "\n\nCaused by:\n"
_NUMBER = re.compile(r"^\d+: ")
REASON_CHARACTERS_MAX = 4_096
"""A longer reason of a trap is cut there, with a mark."""


_MOST = 0.75
"""A guest that traps with so much of its memory in use may have been refused more."""


def _cause(message: str) -> str:
    """The whole chain of causes, outermost first, without the backtrace that is kept apart."""
    head, _, causes = message.strip().partition(_CAUSED_BY)
    texts = [_NUMBER.sub("", line.strip()) for line in causes.splitlines()]
    if not texts or not head.startswith(_EXECUTING):
        texts.insert(0, head.partition(_BACKTRACE)[0].strip())
    reason = ": ".join(filter(None, texts))
    return reason if len(reason) <= REASON_CHARACTERS_MAX else reason[:REASON_CHARACTERS_MAX] + " … (cut)"
