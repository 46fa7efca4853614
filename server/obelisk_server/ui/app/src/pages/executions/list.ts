/** The list as it is loaded page by page and changed by what happens meanwhile. */

import { useCallback, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Refused, get } from "../../wire/client.ts";
import { useThrottled } from "../../wire/hooks.ts";
import type { Page, Summary } from "../../wire/shapes.ts";
import { type Filters, listPath } from "./filters.ts";

/** A list that was scrolled this far is not loaded any further. */
export const ITEMS_MAX = 20_000;
const FRESHEN_MS = 1_000;
const GATHER_MS = 250;
const EMPTY_PAGES_MAX = 20;

type Shown = { items: Summary[]; cursor: string | null; complete: boolean };

export type List = Shown & {
  error: Refused | undefined;
  loaded: boolean;
  more: () => void;
  /** Something may have changed that was not told one by one. */
  freshen: () => void;
  /** This execution is now as given. */
  put: (summary: Summary) => void;
};

/** New items before the old ones, known ones replaced; `head` is the beginning of the list as it is now. */
function merged(old: Summary[], head: Summary[], headIsAll: boolean): Summary[] {
  if (headIsAll) return head;
  const known = new Set(head.map((item) => item.id));
  const last = head.at(-1);
  const from = last ? old.findIndex((item) => item.id === last.id) + 1 : 0;
  return [...head, ...old.slice(from).filter((item) => !known.has(item.id))];
}

async function load(filters: Filters, cursor: string | null, signal: AbortSignal): Promise<Page<Summary>> {
  const items: Summary[] = [];
  for (let empty = 0; empty < EMPTY_PAGES_MAX; empty += 1) {
    const page = await get<Page<Summary>>(listPath(filters, cursor), signal);
    items.push(...page.items);
    cursor = page.next_cursor;
    if (items.length > 0 || cursor === null) break; // a page may be empty and others follow
  }
  return { items, next_cursor: cursor };
}

export function useList(filters: Filters): List {
  const key = JSON.stringify(filters);
  const [state, setState] = useState<{ key: string; shown?: Shown; error?: Refused }>({ key });
  const current = useRef({ key, filters, busy: false, stop: new AbortController() });
  current.current.filters = filters;

  const run = useCallback(async (work: (signal: AbortSignal) => Promise<(old: Shown | undefined) => Shown>) => {
    const { key, stop } = current.current;
    try {
      const change = await work(stop.signal);
      if (current.current.key === key)
        setState((old) => ({ key, shown: change(old.key === key ? old.shown : undefined) }));
    } catch (caught) {
      if (stop.signal.aborted || current.current.key !== key) return;
      const error = caught instanceof Refused ? caught : new Refused(0, "The list failed", String(caught));
      setState((old) => (old.key === key && old.shown ? { key, shown: old.shown, error } : { key, error }));
    }
  }, []);

  const freshenNow = useCallback(
    () =>
      void run(async (signal) => {
        const page = await load(current.current.filters, null, signal);
        return (old) => {
          const all = page.next_cursor === null;
          const items = merged(old?.items ?? [], page.items, all || !old);
          return {
            items,
            cursor: old && !all && old.items.length ? old.cursor : page.next_cursor,
            complete: all || !!old?.complete,
          };
        };
      }),
    [run],
  );
  const freshen = useThrottled(freshenNow, FRESHEN_MS, GATHER_MS);

  // before the first picture: the list is what takes longest
  useLayoutEffect(() => {
    current.current.stop.abort();
    current.current = { ...current.current, key, busy: false, stop: new AbortController() };
    freshenNow();
    return () => current.current.stop.abort();
  }, [key]);

  const shown = state.key === key ? state.shown : undefined;
  const more = useCallback(() => {
    const { busy, key } = current.current;
    if (busy || !shown || shown.complete || shown.cursor === null || shown.items.length >= ITEMS_MAX) return;
    current.current.busy = true;
    void run(async (signal) => {
      const page = await load(current.current.filters, shown.cursor, signal);
      return (old) => {
        const known = new Set(old?.items.map((item) => item.id));
        const items = [...(old?.items ?? []), ...page.items.filter((item) => !known.has(item.id))];
        return { items, cursor: page.next_cursor, complete: page.next_cursor === null };
      };
    }).finally(() => {
      if (current.current.key === key) current.current.busy = false;
    });
  }, [shown, run]);

  const put = useCallback(
    (summary: Summary) =>
      setState((old) => {
        const at = old.shown?.items.findIndex((item) => item.id === summary.id) ?? -1;
        if (!old.shown || at < 0) return old;
        return { ...old, shown: { ...old.shown, items: old.shown.items.with(at, summary) } };
      }),
    [],
  );
  const nothing: Shown = { items: [], cursor: null, complete: false };
  return {
    ...(shown ?? nothing),
    loaded: shown !== undefined,
    error: state.key === key ? state.error : undefined,
    more,
    freshen,
    put,
  };
}
