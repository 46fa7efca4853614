"""The debugger: where a workflow stood at one event of its log."""

from typing import Annotated, assert_never

from msgspec import UNSET, Meta, UnsetType

from obelisk_runtime.core.history import SetClosed, Taken
from obelisk_runtime.core.ids import Digest, parse_execution_id
from obelisk_runtime.core.rehearsal import Waits
from obelisk_runtime.service import EventNotFound, NotAWorkflow, Scene, TooManyReplays
from obelisk_runtime.service.replay import scene as scenes
from obelisk_runtime.service.replay.scene import Got, HostCall, OpenSet, Progress, Told
from obelisk_server.api import answers, render, wire
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.problems import COMPONENT, EXECUTION
from obelisk_server.api.replays import difference_json


class Debug(wire.Request, frozen=True):
    version: wire.Position
    """Of the event."""
    component: wire.Digest | None = None
    """Another component of the store than its own."""


class CallAnswer(answers.Answer, frozen=True, kw_only=True):
    """What was answered: one of these."""

    response: answers.ResponseItem | UnsetType = UNSET
    closed: bool | UnsetType = UNSET
    """All of the join set had answered."""
    waits: bool | UnsetType = UNSET
    """Nothing so far."""
    value: str | UnsetType = UNSET
    """At once: an id, a number, an error."""


class DebuggedCall(answers.Answer, frozen=True, kw_only=True):
    """The host call that the guest stood in."""

    version: int
    asked: str
    answer: CallAnswer


class Member(answers.Answer, frozen=True, kw_only=True):
    """A child, or a delay."""

    id: str
    function: str | None
    """None for a delay."""
    state: Annotated[str, Meta(extra_json_schema={"enum": [item.value for item in Progress]})]
    position: int | None
    """Of its response, once it was there."""


class OpenJoinSet(answers.Answer, frozen=True, kw_only=True):
    id: str
    closing: bool
    members: list[Member]
    """In order of creation, the latest of them."""
    members_total: int


class Symbol(answers.Answer, frozen=True, kw_only=True):
    """A place in a source file; null where it is not known."""

    function: str | None
    file: str | None
    line: int | None
    column: int | None


class SourceFrame(answers.Answer, frozen=True, kw_only=True):
    module: str
    function: str
    symbols: list[Symbol]


class LogLine(answers.Answer, frozen=True, kw_only=True):
    at: answers.Instant
    """By the workflow's own time."""
    level: str
    source: str
    message: str


class Debugged(answers.Answer, frozen=True, kw_only=True):
    id: str
    version: int
    digest: str
    """The component that was run."""
    event: answers.EventJson
    call: DebuggedCall | None
    """None: it had made no call yet, or had ended."""
    now: answers.Instant | None
    """The workflow's own time."""
    join_sets: list[OpenJoinSet]
    join_sets_total: int
    logs: list[LogLine]
    """The latest of what it had written."""
    logs_total: int
    backtrace: list[str]
    """WebAssembly frames, innermost first."""
    source: list[SourceFrame]
    """Where in its own source an interpreted guest said that it made the call, innermost first."""
    end: str | None
    """How it had ended by itself."""
    difference: answers.Json | None
    """Why it could not be brought there: the component does not repeat the history."""


async def debug(context: Context, call: Call[Debug, wire.Nothing]) -> Reply:
    """Where a workflow stood at one event: run its history up to there and look at the guest; nothing is written."""
    execution_id = parse_execution_id(call.path["id"])
    digest = None if call.query.component is None else Digest(call.query.component)
    scene = await context.service.debug(execution_id, call.query.version, digest)
    return Reply(200, _debugged(execution_id, scene))


def _debugged(execution_id: str, scene: Scene) -> Debugged:
    return Debugged(
        id=execution_id,
        version=scene.event.version,
        digest=scene.digest,
        event=render.event(scene.event),
        call=None if scene.call is None else _call(scene.call),
        now=None if scene.now is None else render.instant(scene.now),
        join_sets=[_open_set(item) for item in scene.join_sets],
        join_sets_total=scene.join_sets_total,
        logs=[
            LogLine(at=render.instant(item.at), level=item.level.value, source=item.source, message=item.message)
            for item in scene.records
        ],
        logs_total=scene.records_total,
        backtrace=list(scene.backtrace),
        source=[_frame(frame) for frame in scene.source],
        end=scene.end,
        difference=None if scene.difference is None else difference_json(scene.difference),
    )


def _frame(frame: scenes.SourceFrame) -> SourceFrame:
    symbols = [
        Symbol(function=item.function, file=item.file, line=item.line, column=item.column) for item in frame.symbols
    ]
    return SourceFrame(module=frame.module, function=frame.function, symbols=symbols)


def _call(call: HostCall) -> DebuggedCall:
    return DebuggedCall(version=call.version, asked=call.asked, answer=_answer(call.got))


def _answer(got: Got) -> CallAnswer:
    match got:
        case Taken(response=response):
            return CallAnswer(response=render.response(response))
        case SetClosed():
            return CallAnswer(closed=True)
        case Waits():
            return CallAnswer(waits=True)
        case Told(text=text):
            return CallAnswer(value=text)
        case _:
            assert_never(got)


def _open_set(found: OpenSet) -> OpenJoinSet:
    members = [
        Member(
            id=item.id,
            function=None if item.function is None else item.function.text,
            state=item.progress.value,
            position=item.position,
        )
        for item in found.members
    ]
    return OpenJoinSet(id=found.id, closing=found.closing, members=members, members_total=found.total)


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        "debug",
        debug,
        Debug,
        wire.Nothing,
        Debugged,
        (*EXECUTION, *COMPONENT, NotAWorkflow, EventNotFound, TooManyReplays),
    ),
)
