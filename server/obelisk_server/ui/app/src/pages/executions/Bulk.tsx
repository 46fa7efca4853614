/** Doing the same to many executions: to those that were chosen, or to all that match, after showing what would happen. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "../../look/parts.tsx";
import { attempt } from "../../look/notices.tsx";
import type { JsonObject } from "../../values/json.ts";
import { Refused, path, post } from "../../wire/client.ts";
import { type Filters, whereOf } from "./filters.ts";

export const VERBS = ["cancel", "pause", "resume", "delete"] as const;
export type Verb = (typeof VERBS)[number];
const AT_ONCE = 8;

type BulkProps = { chosen: string[]; filters: Filters; onDone: () => void; onClear: () => void };

export function Bulk({ chosen, filters, onDone, onClear }: BulkProps): JSX.Element {
  const [verb, setVerb] = useState<Verb | null>(null);
  return (
    <div class="bulk" role="toolbar" aria-label="Actions for the chosen executions">
      <strong>{chosen.length} chosen</strong>
      {VERBS.map((each) => (
        <button key={each} type="button" onClick={() => setVerb(each)}>
          {each}…
        </button>
      ))}
      <button type="button" class="quiet" onClick={onClear}>
        clear
      </button>
      {verb && (
        <BulkDialog
          verb={verb}
          chosen={chosen}
          filters={filters}
          onClose={() => setVerb(null)}
          onDone={() => (setVerb(null), onDone())}
        />
      )}
    </div>
  );
}

type DialogProps = { verb: Verb; chosen: string[]; filters: Filters; onClose: () => void; onDone: () => void };

function BulkDialog({ verb, chosen, filters, onClose, onDone }: DialogProps): JSX.Element {
  const [all, setAll] = useState(false);
  const [found, setFound] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const check = async (): Promise<void> => {
    await attempt(async () => setFound(summary(await bulk(verb, all ? whereOf(filters) : { ids: chosen }, true))));
  };
  const run = async (): Promise<void> => {
    setBusy(true);
    const done = await attempt(async () =>
      all ? summary(await bulk(verb, whereOf(filters), false)) : each(verb, chosen),
    );
    setBusy(false);
    if (done) onDone();
  };
  return (
    <Dialog title={`${verb[0]!.toUpperCase()}${verb.slice(1)} many`} onClose={onClose}>
      <fieldset>
        <label>
          <input type="radio" name="whom" checked={!all} onChange={() => (setAll(false), setFound(null))} /> the{" "}
          {chosen.length} chosen
        </label>
        <label>
          <input type="radio" name="whom" checked={all} onChange={() => (setAll(true), setFound(null))} /> all that
          match the filter
        </label>
      </fieldset>
      {found && <p role="status">{found}</p>}
      <footer>
        <button type="button" onClick={check}>
          Dry run
        </button>
        <button type="button" class="primary" onClick={run} disabled={busy || (all && found === null)}>
          {verb}
        </button>
      </footer>
      {all && found === null && <p class="hint">A dry run first: it shows how many it would be.</p>}
    </Dialog>
  );
}

function bulk(verb: Verb, where: JsonObject, dryRun: boolean): Promise<JsonObject> {
  return post<JsonObject>(`/v1/executions/bulk/${verb}`, { where, dry_run: dryRun });
}

function summary(answer: JsonObject): string {
  const matched = Number(answer["matched"] ?? answer["count"] ?? 0);
  return answer["dry_run"] === true ? `It would be ${matched} executions.` : `${matched} executions.`;
}

/** One request for each, several at once; says how many were taken and the first refusal. */
async function each(verb: Verb, ids: string[]): Promise<string> {
  const rest = [...ids];
  const refusals: Refused[] = [];
  const work = async (): Promise<void> => {
    for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
      await post(path("executions", id, verb)).catch((error: Refused) => refusals.push(error));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const taken = ids.length - refusals.length;
  if (refusals.length) throw new Error(`${taken} done, ${refusals.length} refused: ${refusals[0]!.message}`);
  return `${taken} done: ${verb}`;
}
