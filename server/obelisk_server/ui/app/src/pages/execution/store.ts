/** One execution as the page knows it: read once, and again where a change was told of. */

import { useEffect, useReducer, useRef } from "preact/hooks";
import { Refused, get, path, withQuery } from "../../wire/client.ts";
import type { Change } from "../../wire/feed.ts";
import { useFeed, useThrottled } from "../../wire/hooks.ts";
import type { Execution, LogEvent, Response, TailPage } from "../../wire/shapes.ts";

const PAGE = 1_000;
const REFRESH_MS = 300;

/** A list that only grows, read from where it ended last time, and not beyond `most` items. */
export class Tail<T> {
  items: T[] = [];
  /** Nothing will follow. */
  complete = false;
  private cursor = 0;

  constructor(
    private readonly path: string,
    private readonly most = Infinity,
  ) {}

  /** There may be more items than are read. */
  get cut(): boolean {
    return this.items.length >= this.most && !this.complete;
  }

  /** True: there was something new. `progress` is called after each page. */
  async grow(signal: AbortSignal, progress = (): void => undefined): Promise<boolean> {
    const before = this.items.length;
    while (!this.complete && !this.cut) {
      const limit = Math.min(PAGE, this.most - this.items.length);
      const page = await get<TailPage<T>>(withQuery(this.path, { cursor: this.cursor, limit }), signal);
      this.cursor = page.next_cursor;
      this.complete = page.complete;
      if (page.items.length === 0) break;
      this.items = [...this.items, ...page.items];
      progress();
      if (page.items.length < limit) break;
    }
    return this.items.length > before;
  }
}

export type Loaded = {
  id: string;
  execution: Execution | undefined;
  events: LogEvent[];
  responses: Response[];
  error: Refused | undefined;
  refresh: () => void;
  /** Grows with each change in the tree of the execution. */
  changes: number;
  /** Grows when this execution of the tree may have changed. */
  changesOf: (id: string) => number;
  /** Grows when children of this execution of the tree may have changed, or become more. */
  changesBelow: (id: string) => number;
};

/** What the stream of a tree told, by the execution it was about; `reload` may be about any. */
export class Told {
  private all = 0;
  private readonly by = new Map<string, number>();
  private readonly byParent = new Map<string, number>();

  about({ name, data }: Change): void {
    const id = name === "event" ? data["execution"] : name === "execution" ? data["id"] : undefined;
    if (typeof id !== "string") return void (this.all += 1);
    count(this.by, id);
    count(this.byParent, parentOf(id));
  }

  of(id: string): number {
    return this.all + (this.by.get(id) ?? 0);
  }

  below(id: string): number {
    return this.all + (this.byParent.get(id) ?? 0);
  }
}

/** Of an execution that has none, an id that none has. */
function parentOf(id: string): string {
  return id.slice(0, Math.max(0, id.lastIndexOf(".")));
}

function count(counts: Map<string, number>, id: string): void {
  counts.set(id, (counts.get(id) ?? 0) + 1);
}

type Reading = {
  id: string;
  execution?: Execution;
  events: Tail<LogEvent>;
  responses: Tail<Response>;
  error?: Refused;
  changes: number;
  told: Told;
  busy: boolean;
  again: boolean;
  stop: AbortController;
};

function begin(id: string): Reading {
  const at = path("executions", id);
  return {
    id,
    events: new Tail(`${at}/events`),
    responses: new Tail(`${at}/responses`),
    changes: 0,
    told: new Told(),
    busy: false,
    again: false,
    stop: new AbortController(),
  };
}

async function read(state: Reading, progress: () => void): Promise<void> {
  if (state.busy) return void (state.again = true);
  state.busy = true;
  try {
    const { signal } = state.stop;
    // the state first: what the lists then show is at least as new
    state.execution = await get<Execution>(path("executions", state.id), signal);
    progress();
    await Promise.all([state.events.grow(signal, progress), state.responses.grow(signal, progress)]);
    delete state.error;
  } catch (caught) {
    if (state.stop.signal.aborted) return;
    state.error = caught instanceof Refused ? caught : new Refused(0, "This page failed", String(caught));
  }
  state.changes += 1;
  state.busy = false;
  progress();
  if (state.again) {
    state.again = false;
    await read(state, progress);
  }
}

export function useExecution(id: string): Loaded {
  const [, show] = useReducer((count: number) => count + 1, 0);
  const current = useRef<Reading>(null as unknown as Reading);
  if (current.current?.id !== id) {
    current.current?.stop.abort();
    current.current = begin(id);
  }
  const state = current.current;
  const refresh = useThrottled(() => void read(current.current, () => show(undefined)), REFRESH_MS);
  useEffect(() => {
    void read(state, () => show(undefined));
    return () => state.stop.abort();
  }, [id]);
  useFeed(withQuery(`${path("executions", id)}/stream`, { tree: "true" }), (change) => {
    current.current.told.about(change);
    refresh();
  });
  return {
    id,
    execution: state.execution,
    events: state.events.items,
    responses: state.responses.items,
    error: state.error,
    refresh,
    changes: state.changes,
    changesOf: (within) => state.told.of(within),
    changesBelow: (within) => state.told.below(within),
  };
}
