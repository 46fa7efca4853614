/** What an execution of the list waits for, as far as its summary tells. */

import { micros } from "../../look/time.ts";
import type { Summary } from "../../wire/shapes.ts";

/** null: it runs, or has ended. */
export function waitOf(item: Summary, now: number): { text: string } | { until: string } | null {
  if (item.status === "finished") return null;
  if (item.lifecycle === "paused") return { text: "being resumed" };
  switch (item.status) {
    case "pending":
      if (item.kind === "stub") return { text: "an answer" };
      return item.due !== undefined && micros(item.due) > now ? { until: item.due } : { text: "its turn" };
    case "blocked":
      return { text: `${item.remaining === 1 ? "1 answer" : `${item.remaining} answers`} in ${item.join_set}` };
    case "locked":
      return null;
  }
}
