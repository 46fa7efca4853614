"""What the store in memory holds, as the whole model of a store: synchronous, in plain dictionaries."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.ids import (
    DelayId,
    Digest,
    ExecutionId,
    ExecutorId,
    Instant,
    join_set_of,
    parent_of,
    top_of,
)
from obelisk_runtime.core.names import is_among
from obelisk_runtime.core.search import mentions
from obelisk_runtime.ports import store as port
from obelisk_runtime.ports.store import Grafted, OldTrees


@dataclass(slots=True)
class StoredExecution:
    id: ExecutionId
    sequence: int
    """In the order of creation, from 1."""
    log: list[ev.Recorded]
    projection: proj.Projection
    responses: list[ev.Response] = field(default_factory=list[ev.Response])
    changed: int = 0
    """The sequence of the commit that changed it last."""
    added: list[int] = field(default_factory=list[int])
    """For each event of the log, the sequence of the commit that added it."""

    @property
    def created(self) -> ev.Created:
        created = self.log[0].event
        assert isinstance(created, ev.Created)
        return created

    def append(self, events: Iterable[ev.Recorded], projection: proj.Projection) -> None:
        self.log.extend(events)
        assert [entry.version for entry in self.log] == list(range(projection.version))
        assert projection.responses == len(self.responses)
        self.projection = projection

    def record(self, event: ev.LifeEvent, now: Instant) -> ev.Recorded:
        entry = ev.Recorded(version=self.projection.version, at=now, event=event)
        self.append([entry], proj.apply(self.projection, event, now))
        return entry


class Tables:
    """What the store holds. Each write checks everything before it changes anything."""

    def __init__(self) -> None:
        self.executions: dict[ExecutionId, StoredExecution] = {}
        self._sequence = 0
        self.delays: dict[DelayId, Instant] = {}
        """Every delay there ever was, in order of creation, and when it wakes."""
        self.held: set[DelayId] = set()
        """Those of them that are paused."""
        self.answered: set[str] = set()
        """Executions and delays that have responded to their parents."""
        self.kept: set[ExecutionId] = set()
        """Trees that are not to be pruned."""
        self.beats: dict[ExecutorId, Instant] = {}
        self.components: dict[Digest, bytes] = {}
        self.logs: dict[tuple[ExecutionId, int, int], port.LogRecord] = {}
        self.requests: dict[tuple[ExecutionId, int, int], port.RequestRecord] = {}
        """In the order they were written, by their identity."""
        self.touched: set[ExecutionId] = set()
        """Executions that writes changed since this was last emptied."""
        self.sequence = 0
        """Of the latest commit."""

    def mark(self, touched: Iterable[ExecutionId]) -> None:
        """One more commit, which changed these executions."""
        self.sequence += 1
        for id_ in touched:
            execution = self.executions.get(id_)
            if execution is not None:
                execution.changed = self.sequence
                execution.added += [self.sequence] * (len(execution.log) - len(execution.added))

    def find(self, execution_id: ExecutionId) -> StoredExecution:
        execution = self.executions.get(execution_id)
        if execution is None:
            raise port.ExecutionNotFound(execution_id)
        return execution

    # Executions

    def create(self, new: port.NewExecution) -> port.CreateOutcome:
        if self._existed(new):
            return port.CreateOutcome.EXISTED
        self._add(new)
        return port.CreateOutcome.CREATED

    def create_all(self, new: Sequence[port.NewExecution]) -> list[port.CreateOutcome]:
        for item in new:
            self._existed(item)
        return [self.create(item) for item in new]

    def _existed(self, new: port.NewExecution) -> bool:
        existing = self.executions.get(new.id)
        if existing is None:
            return False
        if existing.created.function != new.created.function:
            raise port.IdConflict(new.id, "another function")
        if existing.created.params != new.created.params:
            raise port.IdConflict(new.id, "other parameters")
        return True

    def append(self, append: port.Append) -> ev.Response | None:
        execution = self.find(append.id)
        self._check_fence(execution, append)
        self._check_ids(append)
        scheduled = [new for new in append.scheduled if not self._existed(new)]
        execution.append(append.events, append.projection)
        self.touched.add(append.id)
        for new in (*append.children, *scheduled):
            self._add(new)
        for delay in append.delays:
            self.delays[delay.id] = delay.wakes
        return None if append.response is None else self._respond(append.response)

    def _check_fence(self, execution: StoredExecution, append: port.Append) -> None:
        found = execution.projection
        if found.version != append.expected_version or isinstance(found.status, proj.Finished):
            raise port.VersionConflict(append.id, append.expected_version, found.version)
        if append.expected_responses not in (None, found.responses):
            raise port.ResponsesMoved(append.id, append.expected_responses, found.responses)

    def _check_ids(self, append: port.Append) -> None:
        new = [child.id for child in append.children] + [delay.id for delay in append.delays]
        for id_ in new:
            if id_ in self.executions or id_ in self.delays or new.count(id_) > 1:
                raise port.IdConflict(id_, "other content")
        if append.response is not None:
            if append.response.id in self.answered:
                raise port.IdConflict(append.response.id, "a response")
            self._parent(append.response.id)

    def _add(self, new: port.NewExecution) -> None:
        self._sequence += 1
        execution = StoredExecution(new.id, self._sequence, [], new.projection)
        execution.append(new.events, new.projection)
        self.executions[new.id] = execution
        self.touched.add(new.id)

    def _parent(self, response_id: str) -> StoredExecution:
        parent = parent_of(ExecutionId(response_id))
        assert parent is not None
        return self.find(parent)

    def _respond(self, response: ev.Response) -> ev.Response:
        """Deliver at the parent's next position."""
        parent = self._parent(response.id)
        located = join_set_of(ExecutionId(response.id))
        assert located is not None
        delivered = ev.Response(
            position=len(parent.responses) + 1, at=response.at, id=response.id, result=response.result
        )
        parent.responses.append(delivered)
        parent.projection = proj.deliver(parent.projection, located[0])
        self.answered.add(response.id)
        self.touched.add(parent.id)
        return delivered

    def page(self, where: port.ExecutionFilter, cursor: str | None, limit: int, *, oldest_first: bool) -> port.Page:
        place = _parse_cursor(cursor)
        sign = 1 if oldest_first else -1
        ordered = sorted(self.executions.values(), key=lambda execution: sign * execution.sequence)
        following = [e for e in ordered if place is None or sign * e.sequence > sign * place]
        found = [e for e in following if _matches(e, where) and self.is_within(e, where.within)]
        page = found[: bounded(limit)]
        items = [port.Summary(execution.id, execution.projection) for execution in page]
        return port.Page(items, str(page[-1].sequence) if len(found) > len(page) else None)

    def is_within(self, execution: StoredExecution, functions: Sequence[str] | None) -> bool:
        """Of these functions, or below such an execution."""
        if functions is None or is_among(execution.projection.function.text, functions):
            return True
        parent = parent_of(execution.id)
        return parent is not None and self.is_within(self.find(parent), functions)

    # The work queue

    def lock_pending(self, now: Instant, executor: ExecutorId, offers: Sequence[port.Offer]) -> list[port.Claim]:
        return [claim for offer in offers for claim in self._lock_offer(now, executor, offer)]

    def _lock_offer(self, now: Instant, executor: ExecutorId, offer: port.Offer) -> Iterable[port.Claim]:
        lockable = [
            (execution, event)
            for execution in sorted(self.executions.values(), key=_longest_due_first)
            if execution.projection.kind is offer.kind and offer.includes(execution.projection.function)
            if (
                event := decisions.lock(
                    execution.projection, executor, offer.digest(execution.projection.function), now
                )
            )
        ]
        for execution, event in lockable[: offer.limit]:
            execution.record(event, now)
            self.touched.add(execution.id)
            yield port.Claim(execution.id, execution.created, execution.projection)

    def next_due(self, after: Instant | None) -> Instant | None:
        delays = [wakes for delay, wakes in self.delays.items() if self._fires(delay)]
        due = [execution.projection.due for execution in self.executions.values()]
        due += [execution.projection.expires for execution in self.executions.values()]
        instants = delays + [instant for instant in due if instant is not None]
        return min((instant for instant in instants if after is None or instant > after), default=None)

    def fire_delays(self, now: Instant, limit: int) -> list[port.DelayFired]:
        due = [delay for delay, wakes in self.delays.items() if wakes <= now and self._fires(delay)]
        due.sort(key=lambda delay: self.delays[delay])
        return [self._answer(delay, ev.DelayDue(), now) for delay in due[:limit]]

    def cancel_delay(self, delay_id: DelayId, now: Instant) -> port.DelayFired | None:
        if delay_id not in self.delays:
            raise port.ExecutionNotFound(delay_id)
        return None if delay_id in self.answered else self._answer(delay_id, ev.DelayCancelled(), now)

    def _fires(self, delay: DelayId) -> bool:
        return delay not in self.answered and delay not in self.held

    def hold_delay(self, delay_id: DelayId, *, paused: bool) -> bool | None:
        if delay_id not in self.delays:
            raise port.ExecutionNotFound(delay_id)
        if delay_id in self.answered:
            return None
        changed = paused != (delay_id in self.held)
        self.held = self.held | {delay_id} if paused else self.held - {delay_id}
        return changed

    def open_delays(self, parent: ExecutionId, after: DelayId | None, limit: int) -> list[port.OpenDelay]:
        self.find(parent)
        delays = [delay for delay in self.delays if parent_of(delay) == parent]
        if after is not None:
            delays = delays[delays.index(after) + 1 :] if after in delays else []
        found = [
            port.OpenDelay(delay, self.delays[delay], paused=delay in self.held)
            for delay in delays
            if delay not in self.answered
        ]
        return found[: bounded(limit)]

    def overdue(self, now: Instant, limit: int) -> list[ExecutionId]:
        expiring = [(e.projection.expires, e.sequence, e.id) for e in self.executions.values()]
        due = sorted((at, sequence, id_) for at, sequence, id_ in expiring if at is not None and at <= now)
        return [id_ for _, _, id_ in due[: bounded(limit)]]

    def backlog(self, now: Instant, limit: int, kind: ev.ExecutionKind | None) -> int:
        found = (execution.projection for execution in self.executions.values())
        due = [projection.due for projection in found if kind is None or projection.kind is kind]
        return min(limit, sum(1 for at in due if at is not None and at <= now))

    def _answer(self, delay: DelayId, result: ev.DelayDue | ev.DelayCancelled, now: Instant) -> port.DelayFired:
        response = self._respond(ev.Response(position=0, at=now, id=delay, result=result))
        return port.DelayFired(delay, self._parent(delay).id, response)

    def beat(self, executor: ExecutorId, now: Instant) -> None:
        self.beats[executor] = now

    def take_over(self, now: Instant, silent_since: Instant, living: ExecutorId) -> list[ExecutionId]:
        def lost(executor: ExecutorId) -> bool:
            return executor != living and (executor not in self.beats or self.beats[executor] < silent_since)

        return self._free(now, lost, decisions.take_over)

    def retire(self, executor: ExecutorId, now: Instant) -> list[ExecutionId]:
        return self._free(now, lambda holder: holder == executor, decisions.release)

    def _free(self, now: Instant, lost: Callable[[ExecutorId], bool], decide: decisions.Free) -> list[ExecutionId]:
        freed: list[ExecutionId] = []
        for execution in self.executions.values():
            holder = execution.projection.holder
            if holder is None or not lost(holder):
                continue
            event = decide(execution.projection, now)
            assert event is not None
            response = decisions.response_of(execution.id, execution.record(event, now))
            self.touched.add(execution.id)
            freed.append(execution.id)
            if response is not None:
                self._respond(response)
        return freed

    # Trees

    def graft(self, tree: Sequence[Grafted]) -> None:
        if tree[0].id in self.executions:
            raise port.IdConflict(tree[0].id, "another history")
        for grafted in tree:
            self._sequence += 1
            execution = StoredExecution(grafted.id, self._sequence, [], grafted.projection, list(grafted.responses))
            execution.append(grafted.log, grafted.projection)
            self.executions[grafted.id] = execution
            self.touched.add(grafted.id)
            self.delays.update({delay.id: delay.wakes for delay in grafted.delays})
            self.held |= {delay.id for delay in grafted.delays if delay.paused}
            self.answered |= {response.id for response in grafted.responses}
            self.write_logs(grafted.logs)
            self.write_requests(grafted.requests)

    def hold(self, execution_id: ExecutionId, *, held: bool) -> bool:
        self.find(execution_id)
        changed = held != (execution_id in self.kept)
        self.kept = self.kept | {execution_id} if held else self.kept - {execution_id}
        return changed

    def old_trees(self, before: Instant) -> OldTrees:
        return OldTrees([id_ for id_ in self.executions if self._is_old(id_, before)], None)

    def _is_old(self, execution_id: ExecutionId, before: Instant) -> bool:
        execution = self.executions.get(execution_id)
        if execution is None or parent_of(execution_id) is not None or execution_id in self.kept:
            return False
        status = execution.projection.status
        return isinstance(status, proj.Finished) and status.at < before

    def prune(self, trees: Sequence[ExecutionId], before: Instant) -> list[ExecutionId]:
        pruned = [id_ for id_ in dict.fromkeys(trees) if self._is_old(id_, before)]
        tops = set(pruned)
        for id_ in [id_ for id_ in self.executions if top_of(id_) in tops]:
            del self.executions[id_]
        for delay in [delay for delay in self.delays if top_of(delay) in tops]:
            del self.delays[delay]
        self.held = {delay for delay in self.held if top_of(delay) not in tops}
        self.answered = {id_ for id_ in self.answered if top_of(ExecutionId(id_)) not in tops}
        self.logs = {place: record for place, record in self.logs.items() if top_of(place[0]) not in tops}
        self.requests = {place: record for place, record in self.requests.items() if top_of(place[0]) not in tops}
        return pruned

    # The catalog

    def put_component(self, digest: Digest, wasm: bytes) -> None:
        self.components.setdefault(digest, wasm)

    def write_logs(self, records: Sequence[port.LogRecord]) -> None:
        for record in records:
            if record.execution_id in self.executions:
                self.logs.setdefault((record.execution_id, record.run, record.ordinal), record)

    def read_logs(
        self, execution_id: ExecutionId, after: int, limit: int, levels: frozenset[port.LogLevel], *, tree: bool
    ) -> list[tuple[int, port.LogRecord]]:
        below = f"{execution_id}."
        found = [
            (cursor, record)
            for cursor, record in enumerate(self.logs.values(), start=1)
            if cursor > after
            and record.level in levels
            and (record.execution_id == execution_id or (tree and record.execution_id.startswith(below)))
        ]
        return found[: bounded(limit)]

    def write_requests(self, records: Sequence[port.RequestRecord]) -> None:
        for record in records:
            if record.execution_id in self.executions:
                self.requests.setdefault((record.execution_id, record.run, record.ordinal), record)

    def read_requests(self, execution_id: ExecutionId, after: int, limit: int) -> list[tuple[int, port.RequestRecord]]:
        numbered = enumerate(self.requests.values(), start=1)
        found = [item for item in numbered if item[0] > after and item[1].execution_id == execution_id]
        return found[: bounded(limit)]


def bounded(limit: int) -> int:
    return min(limit, port.PAGE_MAX)


def _parse_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal()):
        raise InvalidName("cursor", cursor, "a `next_cursor` of this list")
    return int(cursor)


def _longest_due_first(execution: StoredExecution) -> tuple[int, int]:
    return execution.projection.due or 0, execution.sequence


def status_words(projection: proj.Projection) -> set[str]:
    words = {type(projection.status).__name__.lower()}
    if not isinstance(projection.status, proj.Finished):
        words |= {word for word in ("paused", "cancelling") if getattr(projection.lifecycle, word)}
    return words


def _finished_at(status: proj.Status) -> Instant | None:
    return status.at if isinstance(status, proj.Finished) else None


def _within(at: Instant | None, since: Instant | None, before: Instant | None) -> bool:
    if since is None and before is None:
        return True
    return at is not None and (since is None or at >= since) and (before is None or at < before)


def _matches(execution: StoredExecution, where: port.ExecutionFilter) -> bool:
    projection = execution.projection
    status = projection.status
    parent = parent_of(execution.id)
    tags = execution.created.tags or {}
    return all((
        where.function_prefix is None or projection.function.text.startswith(where.function_prefix),
        not where.statuses or bool(where.statuses & status_words(projection)),
        not where.results or (isinstance(status, proj.Finished) and status.result in where.results),
        where.id_prefix is None or execution.id.startswith(where.id_prefix),
        parent == where.parent if where.parent is not None else parent is None or not where.top_level_only,
        where.tags is None or where.tags.items() <= tags.items(),
        where.holder is None or projection.holder == where.holder,
        where.digest is None or projection.digest == where.digest,
        _within(projection.created, where.created_since, where.created_before),
        _within(_finished_at(status), where.finished_since, where.finished_before),
        where.text is None or mentions(where.text, execution.created, execution.log[-1].event),
    ))  # fmt: skip
