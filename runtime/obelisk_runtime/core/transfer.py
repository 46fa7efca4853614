"""Trees of executions as lines of JSON: one for each execution, parents first.

Events, responses and outcomes have their persisted form, with functions as text. The form is for ever: `FORMAT` counts
changes of what is around them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.history import History, fold
from obelisk_runtime.core.ids import DelayId, Digest, ExecutionId, Instant, parent_of, parse_execution_id
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.requests import RequestMade

FORMAT = 1
IMPORTED = "imported"
"""The reason in the events with which an unfinished execution arrives."""


class InvalidExport(ObeliskError):
    """These lines are not what an export writes."""


class ExportedDelay(msgspec.Struct, frozen=True, array_like=True):
    id: DelayId
    wakes: Instant
    paused: bool = False


class ExportedLine(msgspec.Struct, frozen=True, array_like=True):
    """What a guest wrote: run, ordinal, time, level, source, message."""

    run: int
    ordinal: int
    at: Instant
    level: str
    source: str
    message: str


class ExportedRequest(msgspec.Struct, frozen=True, array_like=True):
    """An HTTP request that a guest made: run, ordinal, the request, whether others followed that are not recorded."""

    run: int
    ordinal: int
    made: RequestMade
    more: bool = False


class Exported(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One execution, as one line."""

    format: int = FORMAT
    id: ExecutionId
    log: list[ev.Recorded]
    responses: list[ev.Response] = []
    delays: list[ExportedDelay] = []
    """Of the log's delays, those that have not answered."""
    logs: list[ExportedLine] = []
    requests: list[ExportedRequest] = []
    components: list[Digest] = []
    """Digests that the log refers to; their bytes are not here."""


def _text(value: Any) -> str:
    return value.text


def _parsed(_: type, text: Any) -> Ffqn:
    return Ffqn.parse(text)


_encode = msgspec.json.Encoder(enc_hook=_text).encode
_decode = msgspec.json.Decoder(Exported, dec_hook=_parsed).decode


def line_of(exported: Exported) -> bytes:
    """Without a line end."""
    return _encode(exported)


@dataclass(frozen=True, slots=True)
class Arriving:
    """An exported execution as it arrives: nobody here holds it, and what is unfinished is paused."""

    exported: Exported
    log: list[ev.Recorded]
    projection: proj.Projection


def tree_of(lines: Iterable[bytes], now: Instant) -> Iterator[Arriving]:
    """The executions of one tree, decoded and folded one by one: who takes them may rest between.

    Raises: InvalidExport saying in which line what is wrong.
    """
    seen: set[ExecutionId] = set()
    for number, line in enumerate(lines, 1):
        try:
            exported = _decode(line)
            parse_execution_id(exported.id)
            history = _check(exported, seen)
        except (msgspec.MsgspecError, ObeliskError, AssertionError, LookupError, ValueError) as error:
            raise InvalidExport(f"execution {number} of the tree is not as an export writes it: {error}") from error
        seen.add(exported.id)
        for event in _arrival(history.projection, now):
            history.record_life(event, now)
        yield Arriving(exported, [*exported.log, *history.fresh], history.projection)
    if not seen:
        raise InvalidExport("the tree has no executions")


def _check(exported: Exported, seen: set[ExecutionId]) -> History:
    """Its history to the end. Raises: InvalidExport; and whatever folding a log that no workflow wrote runs into."""
    if exported.format != FORMAT:
        raise InvalidExport(f"its format is {exported.format}, this release knows {FORMAT}")
    parent = parent_of(exported.id)
    if (parent is None) is bool(seen) or (parent is not None and parent not in seen):
        raise InvalidExport(f"{exported.id} is not below what comes before it")
    if exported.id in seen or not exported.log or not isinstance(exported.log[0].event, ev.Created):
        raise InvalidExport(f"{exported.id} comes twice, or has no beginning")
    if [entry.version for entry in exported.log] != list(range(len(exported.log))):
        raise InvalidExport(f"{exported.id} has a log with gaps")
    if [response.position for response in exported.responses] != list(range(1, len(exported.responses) + 1)):
        raise InvalidExport(f"{exported.id} has responses with gaps")
    history = History(exported.id, exported.log, exported.responses)
    history.run_to_end()
    waits_for = sorted(id_ for id_, function in history.open.items() if function is None)
    if sorted(delay.id for delay in exported.delays) != waits_for:
        raise InvalidExport(f"{exported.id} has other open delays than its log says")
    return history


def referenced(log: Sequence[ev.Recorded]) -> list[Digest]:
    """The components that a log refers to, in order."""
    found: dict[Digest, None] = {}
    for entry in log:
        if isinstance(entry.event, ev.Created | ev.Locked | ev.Upgraded) and entry.event.digest is not None:
            found[entry.event.digest] = None
    return list(found)


def _arrival(projection: proj.Projection, now: Instant) -> list[ev.LifeEvent]:
    """With which events it arrives."""
    if isinstance(projection.status, proj.Finished):
        return []
    events: list[ev.LifeEvent] = []
    if projection.holder is not None:
        events.append(ev.Unlocked(IMPORTED) if projection.kind.has_children else ev.AttemptLost(IMPORTED, now))
    if not projection.lifecycle.paused:
        events.append(ev.Paused(IMPORTED))
    return events


def arrived(exported: Exported, found: Sequence[ev.Recorded]) -> bool:
    """Whether a log is the exported one, as it was or as it arrives."""
    count = len(exported.log)
    if list(found[:count]) != exported.log:
        return False
    rest = list(found[count:])
    if not rest:
        return True
    projection = fold(exported.id, exported.log, exported.responses)
    return [entry.event for entry in rest] == _arrival(projection, rest[0].at)
