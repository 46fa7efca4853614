"""What host functions know of a workflow's call. Its world is deterministic: it comes from the log."""

from collections.abc import Awaitable, Sequence
from functools import cached_property

from obelisk_runtime.core.deployment import DirectoryGrant
from obelisk_runtime.core.ids import Instant, JoinSetId
from obelisk_runtime.core.randomness import SeededStream
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.core.schedules import Schedule
from obelisk_runtime.ports.engine import Value
from obelisk_runtime.ports.guest import GuestResources
from obelisk_runtime.ports.store import LogLevel
from obelisk_runtime.service.guests.log import GuestLog, LogPlace
from obelisk_runtime.service.parents.calling import Run


class WorkflowContext:
    def __init__(self, run: Run, seed: bytes) -> None:
        self.run = run
        self.execution_id = run.id
        self.join_sets: dict[int, JoinSetId] = {}
        """Handles of the guest by their `rep`."""
        self.dropped: list[JoinSetId] = []
        """Join sets whose handle the guest dropped; they close before its next host call is answered."""
        self.stated: Value = None
        """A `wasm-backtrace`: where in its own source an interpreted guest says that it makes its latest call."""
        self._last_rep = 0
        self._random = SeededStream(seed, "wasi")
        self._seed = seed
        self._log = GuestLog(run.node.logs, run.id, run.node.limits)

    @cached_property
    def wasi(self) -> GuestResources:
        return self.run.node.deployment.library.state(self)

    @property
    def recorded_random(self) -> SeededStream:
        """For the value that is recorded next; replay, which draws none, does not shift those that follow."""
        return SeededStream(self._seed, f"recorded {self.run.history.position}")

    def give_handle(self, join_set: JoinSetId) -> int:
        self._last_rep += 1
        self.join_sets[self._last_rep] = join_set
        return self._last_rep

    def drop_handle(self, rep: int) -> None:
        """A destructor cannot wait; what it begins is done before the next host call is answered."""
        join_set = self.join_sets.pop(rep, None)
        if join_set is not None and join_set in self.run.history.sets:
            self.dropped.append(join_set)

    def log(self, level: LogLevel, message: str) -> None:
        self._log.message(self._here(), level, message)

    def end(self) -> None:
        self._log.end(self._here())

    def wall_clock(self) -> Instant:
        self.run.told_time()
        return self.run.history.now

    def monotonic(self) -> int:
        return self.wall_clock() * 1_000

    def random_bytes(self, count: int) -> bytes:
        return self._random.take(count)

    async def wait(self, nanoseconds: int) -> None:
        """A durable delay."""
        run = self.run
        while self.dropped:
            closing = run.close(self.dropped.pop(0))
            if closing is not None:
                await closing
        run.history.sleep(Schedule(-(-nanoseconds // 1_000), relative=True), None, run.node.clock.now())
        waited = run.wait_for(lambda _: None)
        if isinstance(waited, Awaitable):
            await waited

    def environment(self) -> Sequence[tuple[str, str]]:
        return ()

    def directories(self) -> Sequence[DirectoryGrant]:
        return ()

    @property
    def network(self) -> None:
        return None

    def requested(self, made: RequestMade) -> None:
        raise AssertionError(f"a workflow has no network and requested {made.url}")

    def write(self, source: str, data: bytes) -> None:
        self._log.output(self._here(), source, data)

    def _here(self) -> LogPlace:
        history = self.run.history
        return LogPlace(history.position, self.run.node.clock.now(), known=history.replaying)
