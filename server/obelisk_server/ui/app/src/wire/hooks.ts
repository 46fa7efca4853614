/** The API as state of a page. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Refused, get } from "./client.ts";
import { type Change, type Connection, Feed, backoff } from "./feed.ts";
import { oneAtATime } from "./once.ts";
import { pause, shown as visible } from "./waiting.ts";

export type Loaded<T> = { value: T | undefined; error: Refused | undefined; reload: () => void };

/**
 * Loads when `key` changes, and again when `changes` does; what was loaded for the same key stays until there is something
 * newer. Nothing is loaded for null.
 */
export function useLoad<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  changes: unknown = undefined,
): Loaded<T> {
  const [state, setState] = useState<{ key: string | null; value?: T; error?: Refused }>({ key: null });
  const latest = useRef({ load, again: (): void => undefined });
  latest.current.load = load;
  useEffect(() => {
    if (key === null) return;
    const aborted = new AbortController();
    const again = oneAtATime(async () => {
      try {
        const value = await latest.current.load(aborted.signal);
        if (!aborted.signal.aborted) setState({ key, value });
      } catch (caught) {
        if (aborted.signal.aborted) return;
        const error = caught instanceof Refused ? caught : new Refused(0, "This page failed", String(caught));
        setState((old) =>
          old.key === key && old.value !== undefined ? { key, value: old.value, error } : { key, error },
        );
      }
    });
    latest.current.again = again;
    again();
    return () => aborted.abort();
  }, [key]);
  const reload = useCallback(() => latest.current.again(), []);
  const seen = useRef(changes);
  useEffect(() => {
    if (seen.current !== changes) reload();
    seen.current = changes;
  }, [changes]);
  const current = state.key === key ? state : { key };
  useRetry(current.value === undefined ? current.error : undefined, reload);
  return { value: current.value, error: current.error, reload };
}

/** Calls `again` while there is an error that passes, later and later, and only while somebody sees the page. */
export function useRetry(error: Refused | undefined, again: () => void): void {
  const failures = useRef(0);
  useEffect(() => {
    if (!error) failures.current = 0;
    if (!error?.passes) return;
    const stop = new AbortController();
    const wait = async (): Promise<void> => {
      await pause(backoff(failures.current), stop.signal);
      await visible(stop.signal);
      failures.current += 1;
      if (!stop.signal.aborted) again();
    };
    void wait();
    return () => stop.abort();
  }, [error]);
}

/** Loads, and again and again while somebody sees the page. */
export function usePolled<T>(path: string, milliseconds: number): Loaded<T> {
  const loaded = useLoad(path, (signal) => get<T>(path, signal));
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && loaded.reload(), milliseconds);
    return () => clearInterval(timer);
  }, [path, milliseconds]);
  return loaded;
}

let shown: Connection = "connecting";
const watchers = new Set<(state: Connection) => void>();

function show(state: Connection): void {
  shown = state;
  watchers.forEach((watcher) => watcher(state));
}

/** How the page that is shown hears of changes. */
export function useConnection(): Connection {
  const [state, setState] = useState(shown);
  useEffect(() => {
    watchers.add(setState);
    return () => void watchers.delete(setState);
  }, []);
  return state;
}

/** Follows a stream of changes as long as the page is shown. */
export function useFeed(path: string | null, changed: (change: Change) => void): void {
  const latest = useRef(changed);
  latest.current = changed;
  useEffect(() => {
    if (path === null) return;
    const feed = new Feed(path, { changed: (change) => latest.current(change), connection: show });
    return () => feed.stop();
  }, [path]);
}

/**
 * Calls at most once in an interval, and once more at its end if it was called meanwhile. `gather` milliseconds pass before
 * the first call, for what comes together.
 */
export function useThrottled(call: () => void, milliseconds: number, gather = 0): () => void {
  const latest = useRef(call);
  latest.current = call;
  const timer = useRef<{ handle: number | null; again: boolean }>({ handle: null, again: false });
  useEffect(
    () => () => {
      if (timer.current.handle !== null) clearTimeout(timer.current.handle);
    },
    [],
  );
  return useCallback(() => {
    const state = timer.current;
    if (state.handle !== null) return void (state.again = true);
    const rest = (): void => {
      state.handle = null;
      if (!state.again) return;
      state.again = false;
      latest.current();
      state.handle = window.setTimeout(rest, milliseconds);
    };
    state.again = true;
    if (gather > 0) state.handle = window.setTimeout(rest, gather);
    else rest();
  }, [milliseconds, gather]);
}
