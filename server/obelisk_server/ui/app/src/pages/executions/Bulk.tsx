/** Doing the same to many executions: to those that were chosen, or to all that match, after a dry run. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { attempt, notify } from "../../look/notices.tsx";
import { Dialog, FunctionName, Id } from "../../look/parts.tsx";
import { StateMark, stateOf } from "../../look/states.tsx";
import { type DryRun, type Tally, type Verb, allMatching, dryRun, each, permittedVerbs, told } from "./bulk.ts";
import { type Filters, whereOf } from "./filters.ts";

type BulkProps = { chosen: string[]; filters: Filters; onDone: () => void; onClear: () => void };

export function Bulk({ chosen, filters, onDone, onClear }: BulkProps): JSX.Element {
  const [verb, setVerb] = useState<Verb | null>(null);
  return (
    <div class="bulk" role="toolbar" aria-label="Actions for the chosen executions">
      <strong>{chosen.length} chosen</strong>
      {permittedVerbs().map((each) => (
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

/** Those that were chosen, or all that match: while they are counted, and then as they were found. */
type Whom = "chosen" | "counting" | DryRun;
type DialogProps = { verb: Verb; chosen: string[]; filters: Filters; onClose: () => void; onDone: () => void };

function BulkDialog({ verb, chosen, filters, onClose, onDone }: DialogProps): JSX.Element {
  const [whom, setWhom] = useState<Whom>("chosen");
  const [tally, setTally] = useState<Tally | null>(null);
  const where = whereOf(filters);
  const found = typeof whom === "object" ? whom : null;
  const countAll = (): void => {
    setWhom("counting");
    void attempt(async () => {
      const answer = await dryRun(verb, where);
      setWhom((now) => (now === "counting" ? answer : now)); // it may come when nobody wants it any more
    });
  };
  const run = async (): Promise<void> => {
    setTally({ done: 0, refused: 0, firstRefusal: "" });
    await attempt(async () => {
      const end = found ? await allMatching(verb, where, found.token, setTally) : await each(verb, chosen);
      notify(told(verb, end), { bad: end.refused > 0 });
    });
    onDone();
  };
  return (
    <Dialog title={`${verb[0]!.toUpperCase()}${verb.slice(1)} many`} onClose={onClose}>
      <fieldset>
        <legend class="visually-hidden">Which ones</legend>
        <label class="check">
          <input type="radio" name="whom" checked={whom === "chosen"} onChange={() => setWhom("chosen")} /> the{" "}
          {chosen.length} chosen
        </label>
        <label class="check">
          <input type="radio" name="whom" checked={whom !== "chosen"} onChange={countAll} /> all that match the filter
        </label>
      </fieldset>
      {whom === "counting" && <p class="none">Counting…</p>}
      {found && <Found found={found} />}
      {tally && <p role="status">{told(verb, tally)}</p>}
      <footer>
        <button type="button" onClick={onClose}>
          Back
        </button>
        <button
          type="button"
          class={verb === "cancel" || verb === "delete" ? "danger" : "primary"}
          onClick={run}
          disabled={tally !== null || whom === "counting" || found?.matches === 0}
        >
          {verb} {whom === "chosen" ? chosen.length : (found?.matches ?? 0)}
        </button>
      </footer>
    </Dialog>
  );
}

function Found({ found }: { found: DryRun }): JSX.Element {
  return (
    <div role="status">
      <p>
        It would be {found.matches.toLocaleString("en")}
        {found.more ? ", and more afterwards" : ""}. What is created from now on is left alone.
      </p>
      <ul class="plain samples">
        {found.samples.map((item) => (
          <li key={item.id}>
            <StateMark state={stateOf(item)} /> <FunctionName name={item.function} /> <Id id={item.id} link={false} />
          </li>
        ))}
      </ul>
    </div>
  );
}
