/** One call for many executions: a dry run says how many match, and its token lets the same be done. */

import type { JsonObject } from "../../values/json.ts";
import { path, post } from "../../wire/client.ts";
import { may } from "../../wire/rights.ts";
import type { Summary } from "../../wire/shapes.ts";

const VERBS = ["cancel", "pause", "resume", "delete"] as const;
export type Verb = (typeof VERBS)[number];

/** Those that this token may do. */
export function permittedVerbs(): Verb[] {
  return VERBS.filter((verb) => may(`bulk-${verb}`));
}

/** An operation on executions, one by one, or on what a filter matches. */
export type DryRun = { matches: number; more: boolean; samples: Summary[]; token: string };
type Done = { id: string; outcome?: string; refused?: string };
type Step = { matches: number; items: Done[]; next_cursor: string | null };
export type Tally = { done: number; refused: number; firstRefusal: string };

const AT_ONCE = 8;
const PER_CALL = 100;

export function dryRun(verb: Verb, filter: JsonObject): Promise<DryRun> {
  return post<DryRun>(`/v1/bulk/${verb}`, { filter, dry_run: true });
}

/** Does it to all that the dry run saw, call after call. */
export async function allMatching(
  verb: Verb,
  filter: JsonObject,
  token: string,
  progress: (tally: Tally) => void,
): Promise<Tally> {
  const tally: Tally = { done: 0, refused: 0, firstRefusal: "" };
  let cursor: string | null = null;
  do {
    const step: Step = await post<Step>(`/v1/bulk/${verb}`, { filter, token, cursor, limit: PER_CALL });
    for (const item of step.items) count(tally, item.refused);
    progress({ ...tally });
    cursor = step.next_cursor;
  } while (cursor !== null);
  return tally;
}

/** Does it to each of these, several at once. */
export async function each(verb: Verb, ids: string[]): Promise<Tally> {
  const tally: Tally = { done: 0, refused: 0, firstRefusal: "" };
  const rest = [...ids];
  const work = async (): Promise<void> => {
    for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
      try {
        if (verb === "delete") await deleteOne(id);
        else await post(`${path("executions", id)}/${verb}`);
        count(tally, undefined);
      } catch (error) {
        count(tally, (error as Error).message);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return tally;
}

/** There is no call for one alone. Throws what refused it. */
async function deleteOne(id: string): Promise<void> {
  const { token, matches } = await dryRun("delete", { id });
  if (matches !== 1) throw new Error(`${id} is a child, or is gone`);
  const { refused, firstRefusal } = await allMatching("delete", { id }, token, () => undefined);
  if (refused) throw new Error(firstRefusal);
}

function count(tally: Tally, refused: string | undefined): void {
  if (refused === undefined) return void (tally.done += 1);
  tally.refused += 1;
  tally.firstRefusal ||= refused;
}

export function told(verb: Verb, { done, refused, firstRefusal }: Tally): string {
  return `${verb}: ${done} done${refused ? `, ${refused} refused: ${firstRefusal}` : ""}`;
}
