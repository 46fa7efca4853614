/** What the list is narrowed to, in the address of the page and in the query of the API. */

import type { JsonObject } from "../../values/json.ts";
import { withQuery } from "../../wire/client.ts";

const FIELDS = ["function", "text", "id", "tag", "digest", "since", "before"] as const;
export type Field = (typeof FIELDS)[number];

export type Filters = { state: string; children: boolean } & Record<Field, string>;

/** The words people filter by, each as what the API calls it. */
export const STATES: Record<string, { status?: string; result?: string }> = {
  pending: { status: "pending" },
  running: { status: "locked" },
  waiting: { status: "blocked" },
  paused: { status: "paused" },
  ok: { result: "ok" },
  err: { result: "err" },
  failed: { result: "failed" },
};
const FAILURES = ["trapped", "timed-out", "cancelled", "out-of-fuel", "nondeterminism", "lost", "rejected"];
const PER_PAGE = 100;

export function filtersOf(query: URLSearchParams): Filters {
  const fields = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""])) as Record<Field, string>;
  return { ...fields, state: query.get("state") ?? "", children: query.get("children") === "yes" };
}

export function narrowed(filters: Filters): boolean {
  return filters.state !== "" || narrowedWithin(filters);
}

/** By anything else than the state: counts by state are of more than what is listed. */
export function narrowedWithin(filters: Filters): boolean {
  return FIELDS.some((name) => filters[name] !== "");
}

/** What a page of the list is asked with. */
export function listPath(filters: Filters, cursor: string | null = null): string {
  return withQuery("/v1/executions", { ...whereOf(filters), cursor, limit: PER_PAGE });
}

/** The filter alone, as lists and bulk operations take it. */
export function whereOf(filters: Filters): Record<string, string | string[] | boolean> {
  const { status, result } = STATES[filters.state] ?? { status: filters.state }; // the server says which there are
  const where: Record<string, string | string[] | boolean> = {};
  if (filters.function) where["function"] = filters.function;
  if (filters.id) where["id"] = filters.id;
  if (filters.text) where["text"] = filters.text;
  if (filters.digest) where["digest"] = filters.digest;
  if (filters.tag) where["tag"] = filters.tag.split(/[\s,]+/).filter(Boolean);
  if (filters.since) where["created_since"] = instantOf(filters.since);
  if (filters.before) where["created_before"] = instantOf(filters.before);
  if (status) where["status"] = [status];
  if (result) where["result"] = result === "failed" ? FAILURES : [result];
  if (filters.children) where["children"] = true;
  return where;
}

/** From what a `datetime-local` field holds, which is local time: the same instant wherever an address is sent to. */
export function instantOf(local: string): string {
  const date = new Date(local);
  return Number.isNaN(date.getTime()) ? local : date.toISOString();
}

/** What a `datetime-local` field holds for an instant; empty if it is none. */
export function localOf(instant: string): string {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export type Counts = Record<string, number>;

/** Counts by the words of STATES, from `{"statuses": {...}, "results": {...}}`. */
export function countsOf(answer: JsonObject): Counts {
  const statuses = (answer["statuses"] ?? {}) as Counts;
  const results = (answer["results"] ?? {}) as Counts;
  const failed = FAILURES.reduce((sum, kind) => sum + (results[kind] ?? 0), 0);
  const count = ({ status, result }: { status?: string; result?: string }): number =>
    status ? (statuses[status] ?? 0) : result === "failed" ? failed : (results[result ?? ""] ?? 0);
  return Object.fromEntries(Object.entries(STATES).map(([word, meaning]) => [word, count(meaning)]));
}
