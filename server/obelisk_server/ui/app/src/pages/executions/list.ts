/** The list as state of the page. */

import { useCallback, useLayoutEffect, useMemo, useReducer } from "preact/hooks";
import { type Refused, get } from "../../wire/client.ts";
import { useRetry, useThrottled } from "../../wire/hooks.ts";
import type { Page, Summary } from "../../wire/shapes.ts";
import { type Filters, listPath } from "./filters.ts";
import { Listing, type Shown } from "./listing.ts";

const FRESHEN_MS = 1_000;
const GATHER_MS = 250;
const EMPTY_PAGES_MAX = 20;
const NOTHING: Shown = { items: [], cursor: null, complete: false };

export type List = Shown & {
  error: Refused | undefined;
  loaded: boolean;
  more: () => void;
  /** Something may have changed that was not told one by one. */
  freshen: () => void;
  /** This execution is now as given. */
  put: (summary: Summary) => void;
};

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
  const [, draw] = useReducer((count: number) => count + 1, 0);
  const listing = useMemo(
    () =>
      new Listing(
        (cursor, signal) => load(filters, cursor, signal),
        () => draw(undefined),
      ),
    [JSON.stringify(filters)],
  );
  // before the first picture: the list is what takes longest
  useLayoutEffect(() => {
    listing.freshen();
    return () => listing.stop();
  }, [listing]);
  const { shown, error } = listing;
  useRetry(error, listing.freshen);
  return {
    ...(shown ?? NOTHING),
    loaded: shown !== undefined,
    error,
    more: useCallback(() => void listing.more(), [listing, shown]), // another one when more could be wanted again
    freshen: useThrottled(listing.freshen, FRESHEN_MS, GATHER_MS),
    put: (summary) => listing.put(summary),
  };
}
