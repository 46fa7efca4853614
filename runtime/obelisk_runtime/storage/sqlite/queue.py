"""The writing calls of the work queue. SQL says what is eligible and in which order, the core decides."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import DelayId, ExecutionId, ExecutorId, Instant
from obelisk_runtime.ports import store as port
from obelisk_runtime.storage.codec import id_path, joined_delay_id
from obelisk_runtime.storage.sqlite import statements
from obelisk_runtime.storage.sqlite.ledger import Held, Ledger
from obelisk_runtime.storage.sqlite.writes import created_of, deliver, respond

ANSWER_DUE, ANSWER_CANCELLED = 1, 2
"""Values of the column `delays.answer`."""


@dataclass(frozen=True, slots=True)
class NumberedOffer:
    """An offer and the numbers of its functions, as a JSON array; None: any."""

    offer: port.Offer
    functions: str | None


def lock_pending(
    ledger: Ledger, now: Instant, executor: ExecutorId, offers: Sequence[NumberedOffer]
) -> list[port.Claim]:
    return [claim for offer in offers for claim in _lock_offer(ledger, now, executor, offer)]


def _lock_offer(ledger: Ledger, now: Instant, executor: ExecutorId, numbered: NumberedOffer) -> list[port.Claim]:
    offer = numbered.offer
    ledger.flush()
    rows = ledger.select(
        "SELECT key FROM executions INDEXED BY executions_due WHERE due <= ?1 AND (flags & 1) = 0"
        " AND kind <> 3 AND kind = ?2 AND (?3 IS NULL OR function IN (SELECT value FROM json_each(?3)))"
        " ORDER BY due, key LIMIT ?4",
        (now, int(offer.kind), numbered.functions, max(offer.limit, 0)),
    )
    claims: list[port.Claim] = []
    for (key,) in rows:
        held = ledger.by_key(key)
        event = decisions.lock(held.projection, executor, offer.digest(held.projection.function), now)
        assert event is not None
        created = created_of(ledger, held)
        _record(ledger, held, event, now)
        claims.append(port.Claim(held.id, created, held.projection))
    return claims


def _record(ledger: Ledger, held: Held, event: ev.LifeEvent, now: Instant) -> ev.Recorded:
    entry = ev.Recorded(version=held.projection.version, at=now, event=event)
    entries = ledger.codec.entries((entry,), held.projection.created)
    ledger.record(held, entries, 1, proj.apply(held.projection, event, now))
    return entry


def fire_delays(ledger: Ledger, now: Instant, limit: int) -> list[port.DelayFired]:
    ledger.flush()
    rows = ledger.select(
        "SELECT key, parent, segment FROM delays WHERE answer IS NULL AND paused IS NULL AND wakes <= ?"
        " ORDER BY wakes, key LIMIT ?",
        (now, max(limit, 0)),
    )
    fired: list[port.DelayFired] = []
    for key, parent_key, segment in rows:
        parent = ledger.by_key(parent_key)
        fired.append(_answer(ledger, parent, (key, joined_delay_id(parent.id, segment)), ev.DelayDue(), now))
    if rows:
        sql = "UPDATE delays SET answer = ? WHERE key IN (SELECT value FROM json_each(?))"
        ledger.execute("delays", sql, (ANSWER_DUE, json.dumps([key for key, _, _ in rows])))
    return fired


def cancel_delay(ledger: Ledger, delay_id: DelayId, now: Instant) -> port.DelayFired | None:
    key, parent, answer, _ = _find_delay(ledger, delay_id)
    if answer is not None:
        return None
    fired = _answer(ledger, ledger.by_key(parent), (key, delay_id), ev.DelayCancelled(), now)
    ledger.execute("delays", "UPDATE delays SET answer = ? WHERE key = ?", (ANSWER_CANCELLED, key))
    return fired


def hold_delay(ledger: Ledger, delay_id: DelayId, *, paused: bool) -> bool | None:
    key, _, answer, held = _find_delay(ledger, delay_id)
    if answer is not None or bool(held) == paused:
        return None if answer is not None else False
    ledger.execute("delays", "UPDATE delays SET paused = ? WHERE key = ?", (1 if paused else None, key))
    ledger.pending = True
    return True


def _find_delay(ledger: Ledger, delay_id: DelayId) -> tuple[int, int, int | None, int | None]:
    """Key, parent, answer, paused. Raises: ExecutionNotFound."""
    ledger.flush()
    path = id_path(delay_id)
    sql = statements.find("delays", "key, parent, answer, paused", len(path))
    rows = ledger.select(sql, statements.bottom_up(path))
    if not rows:
        raise port.ExecutionNotFound(delay_id)
    return rows[0]


def _answer(
    ledger: Ledger,
    parent: Held,
    delay: tuple[int, DelayId],
    result: ev.DelayDue | ev.DelayCancelled,
    now: Instant,
) -> port.DelayFired:
    key, delay_id = delay
    response = ev.Response(position=0, at=now, id=delay_id, result=result)
    return port.DelayFired(delay_id, parent.id, deliver(ledger, parent, response, (-key, now, None)))


def beat(ledger: Ledger, executor: int, now: Instant) -> None:
    ledger.flush()
    sql = "INSERT INTO executors VALUES (?, ?) ON CONFLICT (executor) DO UPDATE SET beat = excluded.beat"
    ledger.execute("executors", sql, (executor, now))


def take_over(ledger: Ledger, now: Instant, silent_since: Instant, living: int) -> list[ExecutionId]:
    ledger.flush()
    rows = ledger.select(
        "SELECT key FROM executions INDEXED BY executions_held WHERE holder IS NOT NULL AND holder <> ?"
        " AND holder NOT IN (SELECT executor FROM executors WHERE beat >= ?) ORDER BY key",
        (living, silent_since),
    )
    return _free(ledger, [key for (key,) in rows], now, decisions.take_over)


def retire(ledger: Ledger, executor: int, now: Instant) -> list[ExecutionId]:
    ledger.flush()
    rows = ledger.select("SELECT key FROM executions WHERE holder = ? ORDER BY key", (executor,))
    return _free(ledger, [key for (key,) in rows], now, decisions.release)


def _free(ledger: Ledger, keys: Sequence[int], now: Instant, decide: decisions.Free) -> list[ExecutionId]:
    freed: list[ExecutionId] = []
    for key in keys:
        held = ledger.by_key(key)
        event = decide(held.projection, now)
        assert event is not None
        entry = _record(ledger, held, event, now)
        freed.append(held.id)
        response = decisions.response_of(held.id, entry)
        if response is not None and held.parent:
            respond(ledger, held, ledger.by_key(held.parent), response, entry)
    return freed
