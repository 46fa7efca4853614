"""The tables, as numbered migrations that only go forward, and a few views for people.

- `executions.parent` is 0 for a top-level execution, and minus its own key once it was pruned; `segment` is the rest of
  the id (`storage.codec.Segment`).
- `executions.log` holds the events of the transaction that created it (a short activity needs no more), `events` all
  later ones, a row for each append.
- `responses.source` is the key of the child, or minus the key of the delay. The result is not copied: it is the
  child's last event, at `created + finished`, unless `at` and `result` say otherwise. 0: it came from elsewhere, and
  `result` holds the segment of its id too.
- `executions_due` holds what `Projection.due` is set for: not what is paused (flag 1), nor stubs (kind 3).
- `executions_expiring` holds what `Projection.expires` is set for (flag 4: the outcome is decided).
- The only indexes that finished rows stay in are the ones of their ids, and `executions_failed`.
- `executions.changed` is the sequence of the commit that changed it last. It has no index, which every commit would pay
  for: what changed since is found by looking at all rows. `counters` reserves the numbers in blocks.
- `executions.added` and `events.added` are the sequences of the commits that added the events in the row.
"""

from typing import Final

APPLICATION_ID: Final = 0x4F62656C
"""`PRAGMA application_id` of a store: `Obel`."""

_FIRST = """
CREATE TABLE interned (
    number INTEGER PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE executions (
    key INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    segment ANY NOT NULL,
    kind INTEGER NOT NULL,
    function INTEGER NOT NULL,
    created INTEGER NOT NULL,
    deadline INTEGER,
    digest INTEGER,
    flags INTEGER NOT NULL,
    version INTEGER NOT NULL,
    responses INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    traps INTEGER NOT NULL,
    timeouts INTEGER NOT NULL,
    losses INTEGER NOT NULL,
    status INTEGER NOT NULL,
    due INTEGER,
    holder INTEGER,
    join_set TEXT,
    remaining INTEGER,
    finished INTEGER,
    result TEXT,
    changed INTEGER NOT NULL,
    added INTEGER NOT NULL,
    log BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX executions_by_id ON executions (parent, segment);
CREATE INDEX executions_top_level ON executions (key) WHERE parent = 0;
CREATE INDEX executions_due ON executions (due, key, function, kind)
WHERE due IS NOT NULL AND (flags & 1) = 0 AND kind <> 3;
CREATE INDEX executions_expiring ON executions (deadline, key)
WHERE deadline IS NOT NULL AND finished IS NULL AND (flags & 4) = 0;
CREATE INDEX executions_open ON executions (key) WHERE finished IS NULL;
CREATE INDEX executions_failed ON executions (key) WHERE finished IS NOT NULL AND result <> 'ok';
CREATE INDEX executions_held ON executions (holder) WHERE holder IS NOT NULL;

CREATE TABLE events (
    execution INTEGER NOT NULL REFERENCES executions,
    version INTEGER NOT NULL,
    added INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (execution, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE responses (
    parent INTEGER NOT NULL REFERENCES executions,
    position INTEGER NOT NULL,
    source INTEGER NOT NULL,
    at INTEGER,
    result BLOB,
    PRIMARY KEY (parent, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE delays (
    key INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL REFERENCES executions,
    segment ANY NOT NULL,
    wakes INTEGER NOT NULL,
    answer INTEGER,
    paused INTEGER
) STRICT;
CREATE UNIQUE INDEX delays_by_id ON delays (parent, segment);
CREATE INDEX delays_due ON delays (wakes, key) WHERE answer IS NULL AND paused IS NULL;

CREATE TABLE tags (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    execution INTEGER NOT NULL,
    PRIMARY KEY (name, value, execution)
) STRICT, WITHOUT ROWID;

CREATE TABLE holds (
    execution INTEGER PRIMARY KEY REFERENCES executions
) STRICT;

CREATE TABLE executors (
    executor INTEGER PRIMARY KEY REFERENCES interned,
    beat INTEGER NOT NULL
) STRICT;

CREATE TABLE logs (
    key INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL REFERENCES executions,
    run INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    at INTEGER NOT NULL,
    level TEXT NOT NULL,
    source TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX logs_by_id ON logs (execution, run, ordinal);

CREATE TABLE requests (
    key INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL REFERENCES executions,
    run INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    more INTEGER NOT NULL,
    at INTEGER NOT NULL,
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    status INTEGER,
    error TEXT,
    detail TEXT NOT NULL,
    sent INTEGER NOT NULL,
    received INTEGER NOT NULL,
    head_after INTEGER,
    duration INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX requests_by_id ON requests (execution, run, ordinal);

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

CREATE TABLE components (
    digest INTEGER PRIMARY KEY REFERENCES interned,
    wasm BLOB NOT NULL
) STRICT;

CREATE VIEW readable_executions AS
WITH RECURSIVE path (key, id) AS (
    SELECT key, 'E_' || segment FROM executions WHERE parent = 0
    UNION ALL
    SELECT child.key, path.id || '.' || CASE
        WHEN typeof(child.segment) = 'text' THEN child.segment
        WHEN child.segment < 4294967296 THEN 'o:' || child.segment || '_1'
        ELSE 'g:' || (child.segment >> 32) || '_' || (child.segment & 4294967295)
    END
    FROM path JOIN executions AS child ON child.parent = path.key
)
SELECT
    path.id,
    execution.key,
    (SELECT text FROM interned WHERE number = execution.function) AS function,
    CASE execution.kind WHEN 1 THEN 'activity' WHEN 2 THEN 'workflow' WHEN 3 THEN 'stub' ELSE 'webhook' END AS kind,
    CASE execution.status WHEN 1 THEN 'pending' WHEN 2 THEN 'locked' WHEN 3 THEN 'blocked' ELSE result END AS status,
    (SELECT text FROM interned WHERE number = execution.holder) AS holder,
    datetime(execution.created / 1e6, 'unixepoch') AS created,
    execution.finished / 1e6 AS seconds,
    execution.version,
    execution.responses
FROM path JOIN executions AS execution ON execution.key = path.key;

CREATE VIEW readable_logs AS
SELECT datetime(logs.at / 1e6, 'unixepoch') AS at, execution, run, ordinal, level, source, message FROM logs;

CREATE VIEW readable_requests AS
SELECT
    datetime(at / 1e6, 'unixepoch') AS at, execution, run, ordinal, method, url, status, error, detail, sent, received,
    head_after / 1e6 AS seconds_to_head, duration / 1e6 AS seconds
FROM requests;
"""

MIGRATIONS: Final = (_FIRST,)
"""The n-th one leads to `PRAGMA user_version` n."""
