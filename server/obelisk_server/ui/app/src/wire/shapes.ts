/** What the API answers, as far as pages use it. */

import type { Json, JsonObject } from "../values/json.ts";

type Kind = "activity" | "workflow" | "stub" | "webhook";

/** Whether it may have children: the others are leaves of a tree. */
export function hasChildren(kind: Kind): boolean {
  return kind === "workflow" || kind === "webhook";
}

type Status = "pending" | "locked" | "blocked" | "finished";

export type Summary = {
  id: string;
  function: string;
  kind: Kind;
  status: Status;
  lifecycle: string;
  created_at: string;
  parent: string | null;
  attempts: number;
  events: number;
  responses: number;
  due?: string;
  executor?: string | null;
  join_set?: string | null;
  remaining?: number;
  outcome?: string;
  finished_at?: string;
};

export type Outcome = { ok?: Json; err?: Json; failure?: Failure };
export type Failure = { kind: string; reason: string; backtrace?: string[] };

export type Execution = Summary & {
  params: Json[];
  tags: Record<string, string>;
  digest: string | null;
  failures: number;
  losses: number;
  deadline?: string;
  result?: Outcome;
};

export type LogEvent = JsonObject & { version: number; at: string; event: string };

export type Response = { position: number; at: string; id: string; response: string; outcome?: Outcome };

export type LogRecord = {
  cursor: number;
  at: string;
  level: string;
  source: string;
  run: number;
  message: string;
  id?: string;
};

export type Why = { because: string; text: string; until: string | null; waits_for: string[] };

export type FunctionItem = { function: string; kind: string; component: string | null; type: string };

export type ComponentItem = {
  name: string;
  kind: string;
  location: string;
  digest: string;
  size: number;
  exports: { function: string; type: string }[];
  imports: string[];
};

export type Page<T> = { items: T[]; next_cursor: string | null };
export type TailPage<T> = { items: T[]; next_cursor: number; complete: boolean };

export type Replayed = {
  matches: boolean;
  digest: string;
  entries?: number;
  difference?: { reason?: string; version?: number; recorded?: string; asked?: string; position?: string };
};

/** In seconds; null: there was nothing yet. */
export type Latency = { count: number; p50: number | null; p90: number | null; p99: number | null };

export type FailureGroup = {
  function: string;
  result: string;
  reason: string;
  count: number;
  latest_id: string;
  latest_at: string;
};

export type Health = {
  ready: boolean;
  trouble: string | null;
  queue: { due: number; more: boolean; oldest_seconds: number };
  memory: {
    workflows: number;
    workflows_max: number;
    workflow_bytes: number;
    activities: number;
    activities_max: number;
  };
  latencies: { start: Latency; commit: Latency; read: Latency };
  writes: number;
  attempts: Record<string, number>;
  replays: number;
  failures: FailureGroup[];
};

/** `run`: the attempt; times in seconds. */
export type RequestMade = {
  cursor: number;
  at: string;
  run: number;
  method: string;
  url: string;
  status: number | null;
  error: string | null;
  detail: string;
  request_bytes: number;
  response_bytes: number;
  head_after: number | null;
  duration: number;
  more: boolean;
};

export type Member = { id: string; function: string | null; state: string; position: number | null };

export type SourceFrame = {
  module: string;
  function: string;
  symbols: { function: string | null; file: string | null; line: number | null; column: number | null }[];
};

/** Where a workflow stood at one event, found by running its history up to there. */
export type Scene = {
  version: number;
  call: {
    version: number;
    asked: string;
    answer: { response?: Response; closed?: boolean; waits?: boolean; value?: string };
  } | null;
  now: string | null;
  join_sets: { id: string; closing: boolean; members: Member[]; members_total: number }[];
  join_sets_total: number;
  logs: { at: string; level: string; source: string; message: string }[];
  logs_total: number;
  backtrace: string[];
  source: SourceFrame[];
  end: string | null;
  difference: Replayed["difference"] | null;
};
