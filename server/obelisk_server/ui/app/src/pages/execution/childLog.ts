/** Logs of the children whose rows are visible, for their attempts and waits. */

import { useRef } from "preact/hooks";
import { path } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import type { LogEvent } from "../../wire/shapes.ts";
import { pause } from "../../wire/waiting.ts";
import type { Asked } from "./history.ts";
import { Tail } from "./store.ts";

/** Of more no row shows the phases: they are marked as not read. */
export const CHILD_EVENTS_MAX = 5_000;
/** A row that is scrolled past sends no request, and what happens together is read together. */
export const SETTLE_MS = 150;

/** `cut`: there are more events. */
export type ChildLog = { events: LogEvent[]; cut: boolean };

const NOTHING: ChildLog = { events: [], cut: false };

/** Logs that have ended, which do not change any more: who scrolls back does not ask again. */
const ended = new Map<string, ChildLog>();
let eventsKept = 0;
const EVENTS_KEPT_MAX = 100_000;

function keep(id: string, log: ChildLog): void {
  if (ended.has(id) || eventsKept + log.events.length > EVENTS_KEPT_MAX) return;
  eventsKept += log.events.length;
  ended.set(id, log);
}

export function childTail(id: string): Tail<LogEvent> {
  return new Tail(`${path("executions", id)}/events`, CHILD_EVENTS_MAX);
}

/** Reads on where the tail ended, unless it is aborted within a moment. */
export async function readChild(tail: Tail<LogEvent>, signal: AbortSignal): Promise<ChildLog> {
  await pause(SETTLE_MS, signal);
  await tail.grow(signal);
  return { events: tail.items, cut: tail.cut };
}

/** Nothing until it is read, and if it cannot be: then the bar stays whole. */
export function useChildLog(asked: Asked, changes: number): ChildLog {
  const known = ended.get(asked.id);
  const tail = useRef(childTail(asked.id));
  const read = async (signal: AbortSignal): Promise<ChildLog> => {
    const log = await readChild(tail.current, signal);
    if (tail.current.complete || log.cut) keep(asked.id, log);
    return log;
  };
  const loaded = useLoad(asked.function === null || known ? null : asked.id, read, changes);
  return known ?? loaded.value ?? NOTHING;
}
