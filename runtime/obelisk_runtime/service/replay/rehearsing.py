"""Running a recorded history against a component, to see whether it asks for the same. Nothing is written anywhere."""

import asyncio
from dataclasses import dataclass

from obelisk_runtime.core.guest_outcomes import Dropped, GuestOutcome, HostFailed, TimedOut, Trapped, outcome_of
from obelisk_runtime.core.history import Nondeterminism
from obelisk_runtime.core.ids import Digest, ExecutionId, JoinSetId
from obelisk_runtime.core.rehearsal import Asked, GuestEnd, Rehearsal, Waits, compare, own_end
from obelisk_runtime.core.values import FunctionCodec, InvalidValue, function_codec
from obelisk_runtime.ports import engine as guest
from obelisk_runtime.ports.store import LogLevel
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.parents.calling import Answer
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.replay.story import Story, read_story
from obelisk_runtime.service.workflows.context import WorkflowContext

REPLAY_SECONDS_MAX = 60.0
"""A guest that computes longer than this without coming to the end of its history is given up."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Every recorded entry was asked for again, in order."""

    digest: Digest
    entries: int


@dataclass(frozen=True, slots=True)
class Differs:
    """The first difference. `recorded`, `asked` None: nothing more."""

    digest: Digest
    version: int
    recorded: str | None
    asked: str | None
    position: tuple[str, ...] = ()
    """Where in the guest: the WebAssembly frames of the call, innermost first; empty where the engine has none."""

    def __str__(self) -> str:
        return (
            f"at version {self.version} the log recorded {self.recorded or 'nothing more'}, "
            f"the workflow asked for {self.asked or 'nothing more'}"
        )


@dataclass(frozen=True, slots=True)
class Unfit:
    """The component cannot run this execution at all."""

    digest: Digest
    reason: str

    def __str__(self) -> str:
        return self.reason


Replayed = Matches | Differs | Unfit


async def replay(node: Node, execution_id: ExecutionId, wasm: bytes | None = None) -> Replayed:
    """Against the component it is pinned to, or another one.

    Raises: ExecutionNotFound, NotAWorkflow, StoreUnavailable, BytesMissing, BrokenBytes.
    """
    story = await read_story(node.store, execution_id)
    function = story.projection.function
    if wasm is not None:
        component = await node.deployment.load(wasm, function)
    else:
        assert story.projection.digest is not None
        component = await node.deployment.pinned(story.projection.digest, function)
    return await rehearse(node, story, component)


async def rehearse(node: Node, story: Story, component: DeployedComponent) -> Replayed:
    """Run the guest to the end of its history."""
    codec = codec_of(story, component)
    if isinstance(codec, Unfit):
        return codec
    run = Rehearsing(node, story, component, codec)
    context = _SilentContext(run, run.seed)
    outcome = await run.play(context, REPLAY_SECONDS_MAX)
    return outcome if isinstance(outcome, Unfit) else run.verdict(outcome)


def codec_of(story: Story, component: DeployedComponent) -> FunctionCodec | Unfit:
    """How the component takes the parameters of the execution."""
    function = story.projection.function
    type_ = component.exports.get(function)
    if type_ is None:
        return Unfit(component.digest, f"the component does not export {function}")
    codec = function_codec(function, type_)
    try:
        codec.check_params(story.created.params)
    except InvalidValue as error:
        return Unfit(component.digest, f"the component exports {function}: {type_}, which does not fit: {error}")
    return codec


class Rehearsing:
    """A run (`parents.calling.Run`) that ends where its history ends."""

    def __init__(
        self,
        node: Node,
        story: Story,
        component: DeployedComponent,
        codec: FunctionCodec,
        history: Rehearsal | None = None,
    ) -> None:
        self.id = story.id
        self.node = node
        self.component = component
        self.history = history or Rehearsal(story.id, story.log, story.responses)
        self._story = story
        self._codec = codec
        self._stopped: Nondeterminism | None = None
        self._call: guest.GuestCall

    @property
    def seed(self) -> bytes:
        return self._story.created.seed or bytes(16)

    async def play(self, context: WorkflowContext, seconds: float) -> GuestOutcome | Unfit:
        """Call the guest; one that computes for longer is given up."""
        created, component = self._story.created, self.component
        arguments = self._codec.to_arguments(created.params)
        self._call = component.linked.start(created.function, arguments, context, component.limits)
        timeout = asyncio.get_running_loop().call_later(seconds, self._call.drop, TimedOut())
        try:
            outcome = await self._call.wait()
        except guest.GuestsExhausted:
            return Unfit(component.digest, "no room for one more guest now; try again later")
        finally:
            timeout.cancel()
        if isinstance(outcome, HostFailed) and isinstance(outcome.error, Nondeterminism):
            self._stopped = outcome.error
        if isinstance(outcome, TimedOut) and (self._stopped is None or self._stopped.recorded is None):
            return Unfit(component.digest, f"it computed for {seconds:.0f} s without reaching the end")
        return outcome

    def verdict(self, outcome: GuestOutcome) -> Matches | Differs:
        """What the outcome of `play` says about the history."""
        digest = self.component.digest
        frames = outcome.backtrace if isinstance(outcome, Trapped) else ()
        stopped = self._stopped
        if stopped is None or stopped.recorded is None:
            stopped = compare(self.history, own_end(self._story.log), self.end_of(outcome))
        if stopped is None:
            return Matches(digest, self.history.position)
        return Differs(digest, stopped.version, stopped.recorded, stopped.asked, frames)

    def end_of(self, outcome: GuestOutcome) -> GuestEnd:
        if self._stopped is not None:
            return Asked(self._stopped.asked or "")
        match outcome:
            case Dropped() | TimedOut():
                return Waits()
            case HostFailed():
                raise outcome.error
            case _:
                return outcome_of(outcome, self._codec, self.node.deployment.redact)

    # What host functions ask for

    def told_time(self) -> None:
        """Nothing can change it: it comes from the log."""

    def recorded(self) -> None:
        """Only what was recorded before is recorded here."""

    def wait_for(self, answer: Answer) -> "guest.Value | asyncio.Future[guest.Value]":
        taken = self.history.resume()
        if taken is not None:
            return answer(taken)
        loop = asyncio.get_running_loop()
        loop.call_soon(self._call.drop)
        return loop.create_future()

    def close(self, join_set: JoinSetId) -> "asyncio.Future[guest.Value] | None":
        self.history.close(join_set, self.node.clock.now())
        return self.wait_for(lambda _: None)

    async def durable(self) -> None:
        """All of it is."""

    async def after_commit(self, value: guest.Value) -> guest.Value:
        return value

    def nondeterministic(self, error: Nondeterminism) -> None:
        self._stopped = error


class _SilentContext(WorkflowContext):
    """What the guest writes was written when it ran."""

    def log(self, level: LogLevel, message: str) -> None:
        pass

    def write(self, source: str, data: bytes) -> None:
        pass

    def end(self) -> None:
        pass
