/** What is loaded of the list: page after page at its end, read anew at its beginning, and changed in place. */

import { Refused } from "../../wire/client.ts";
import { oneAtATime } from "../../wire/once.ts";
import type { Page, Summary } from "../../wire/shapes.ts";

/** Of a list that is longer the beginning is kept. */
export const ITEMS_MAX = 20_000;

/** `cursor`: where to go on; null also if the end was cut off, and nobody knows any more what follows. */
export type Shown = { items: Summary[]; cursor: string | null; complete: boolean };

/**
 * With the beginning of the list as it is now. Old items are kept only behind one that is in both: what lies between an
 * older one and the beginning was never loaded.
 */
export function refreshed(old: Shown | undefined, head: Page<Summary>): Shown {
  const alone = { items: head.items, cursor: head.next_cursor, complete: head.next_cursor === null };
  if (!old || alone.complete) return cut(alone);
  const places = new Map(old.items.map((item, index) => [item.id, index]));
  const last = head.items.findLast((item) => places.has(item.id));
  if (!last) return cut(alone);
  const known = new Set(head.items.map((item) => item.id));
  const rest = old.items.slice(places.get(last.id)! + 1).filter((item) => !known.has(item.id));
  return cut(rest.length ? { ...old, items: [...head.items, ...rest] } : alone);
}

/** With the page behind `cursor`; as before, if that is not the end any more. */
export function lengthened(old: Shown, cursor: string, page: Page<Summary>): Shown {
  if (old.cursor !== cursor) return old;
  const known = new Set(old.items.map((item) => item.id));
  const items = [...old.items, ...page.items.filter((item) => !known.has(item.id))];
  return cut({ items, cursor: page.next_cursor, complete: page.next_cursor === null });
}

/** With those of `told` that are in the list. */
function updated(old: Shown, told: ReadonlyMap<string, Summary>): Shown {
  if (!old.items.some((item) => told.has(item.id))) return old;
  return { ...old, items: old.items.map((item) => told.get(item.id) ?? item) };
}

function cut(shown: Shown): Shown {
  if (shown.items.length <= ITEMS_MAX) return shown;
  return { items: shown.items.slice(0, ITEMS_MAX), cursor: null, complete: false };
}

type Load = (cursor: string | null, signal: AbortSignal) => Promise<Page<Summary>>;

export class Listing {
  shown: Shown | undefined;
  error: Refused | undefined;
  private readonly stopped = new AbortController();
  private readonly told = new Map<string, Summary>();
  private lengthening = false;

  /** `changed` is called after each change; `soon` calls once before the next picture. */
  constructor(
    private readonly load: Load,
    private readonly changed: () => void,
    private readonly soon: (call: () => void) => void = (call) => void requestAnimationFrame(call),
  ) {}

  stop(): void {
    this.stopped.abort();
  }

  /** Reads the beginning anew. */
  readonly freshen = oneAtATime(() => this.ask(null, (head) => refreshed(this.shown, head)));

  /** Loads the next page, if there is one. */
  async more(): Promise<void> {
    const { cursor, items } = this.shown ?? { cursor: null, items: [] };
    if (this.lengthening || cursor === null || items.length >= ITEMS_MAX) return;
    this.lengthening = true;
    await this.ask(cursor, (page) => lengthened(this.shown!, cursor, page));
    this.lengthening = false;
  }

  /** This execution is now as given; those that come together are drawn together. */
  put(summary: Summary): void {
    if (this.told.size === 0) this.soon(() => this.tell());
    this.told.set(summary.id, summary);
  }

  private tell(): void {
    const before = this.shown;
    if (before) this.shown = updated(before, this.told);
    this.told.clear();
    if (this.shown !== before && !this.stopped.signal.aborted) this.changed();
  }

  private async ask(cursor: string | null, change: (page: Page<Summary>) => Shown): Promise<void> {
    const { signal } = this.stopped;
    try {
      const page = await this.load(cursor, signal);
      if (signal.aborted) return;
      this.shown = change(page);
      this.error = undefined;
    } catch (caught) {
      if (signal.aborted) return;
      this.error = caught instanceof Refused ? caught : new Refused(0, "The list failed", String(caught));
    }
    this.changed();
  }
}
