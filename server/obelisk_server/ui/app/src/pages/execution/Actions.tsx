/** What can be done to an execution where it stands. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "../../look/parts.tsx";
import { attempt, notify, useAttempt } from "../../look/notices.tsx";
import { Link, executionPath, navigate, submitPath } from "../../router.tsx";
import { type Draft, type Problem, blank, read } from "../../values/draft.ts";
import type { JsonObject } from "../../values/json.ts";
import type { FunctionType } from "../../values/types.ts";
import { path, post } from "../../wire/client.ts";
import { may } from "../../wire/rights.ts";
import { type Execution, hasChildren, type Replayed } from "../../wire/shapes.ts";
import { Field } from "../submit/Field.tsx";

type Verb = "cancel" | "terminate" | "pause" | "resume" | "upgrade";
type ActionsProps = { execution: Execution; type: FunctionType | undefined; onDone: () => void };

/** Names of workflows that may be cancelled end so; others can only be terminated. */
const CANCELLABLE = "-cancellable";

/** What can be done to it where it stands, and by this token. */
function verbsOf(execution: Execution): Verb[] {
  if (execution.status === "finished") return [];
  const cancel = !hasChildren(execution.kind) || execution.function.endsWith(CANCELLABLE);
  const pause = execution.lifecycle === "paused" ? "resume" : "pause";
  const held = execution.kind === "webhook" ? [] : ([pause] as const); // who sent a request waits for its answer
  const verbs: Verb[] = [...held, cancel ? "cancel" : "terminate"];
  if (execution.kind === "workflow") verbs.push("upgrade");
  return verbs.filter(may);
}

export function Actions({ execution, type, onDone }: ActionsProps): JSX.Element {
  const [asked, setAsked] = useState<Verb | "fork" | "stub" | null>(null);
  const [replayed, setReplayed] = useState<Replayed | null>(null);
  const { id, kind, status } = execution;
  const steer = async (verb: Verb, reason: string): Promise<void> => {
    const body: JsonObject = verb === "upgrade" || reason === "" ? {} : { reason };
    const done = await attempt(async () => {
      const answer = await post<{ outcome: string }>(`${path("executions", id)}/${verb}`, body);
      return `${verb}: ${answer.outcome}`;
    });
    if (done) setAsked(null);
    onDone();
  };
  const replay = (): Promise<boolean> =>
    attempt(async () => setReplayed(await post<Replayed>(`${path("executions", id)}/replay`)));
  return (
    <div class="actions" role="toolbar" aria-label="Actions">
      {kind === "stub" && status !== "finished" && may("stub") && (
        <button type="button" class="primary" onClick={() => setAsked("stub")}>
          answer…
        </button>
      )}
      {verbsOf(execution).map((verb) => (
        <button
          key={verb}
          type="button"
          onClick={() => (verb === "resume" || verb === "upgrade" ? steer(verb, "") : setAsked(verb))}
        >
          {verb === "resume" || verb === "upgrade" ? verb : `${verb}…`}
        </button>
      ))}
      {kind === "workflow" && may("replay") && (
        <button type="button" onClick={replay}>
          replay
        </button>
      )}
      {kind === "workflow" && may("fork") && (
        <button type="button" onClick={() => setAsked("fork")}>
          fork…
        </button>
      )}
      {kind !== "webhook" && may("submit") && (
        <Link class="button" to={submitPath(execution.function, id)}>
          submit again…
        </Link>
      )}
      {asked === "fork" && <ForkDialog execution={execution} onClose={() => setAsked(null)} />}
      {asked === "stub" && (
        <StubDialog execution={execution} type={type} onClose={() => setAsked(null)} onDone={onDone} />
      )}
      {asked !== null && asked !== "fork" && asked !== "stub" && (
        <ReasonDialog verb={asked} onClose={() => setAsked(null)} onDo={(reason) => steer(asked, reason)} />
      )}
      {replayed && <ReplayDialog replayed={replayed} onClose={() => setReplayed(null)} />}
    </div>
  );
}

type DecideProps = { verb: string; tone?: "primary" | "danger"; onClose: () => void };

/** The end of a form in a dialog. */
function Decide({ verb, tone = "primary", onClose }: DecideProps): JSX.Element {
  return (
    <footer>
      <button type="button" onClick={onClose}>
        Back
      </button>
      <button type="submit" class={tone}>
        {verb}
      </button>
    </footer>
  );
}

type ReasonProps = { verb: Verb; onClose: () => void; onDo: (reason: string) => void };

function ReasonDialog({ verb, onClose, onDo }: ReasonProps): JSX.Element {
  const [reason, setReason] = useState("");
  return (
    <Dialog title={`${verb[0]!.toUpperCase()}${verb.slice(1)} this execution`} onClose={onClose}>
      <form onSubmit={(event) => (event.preventDefault(), onDo(reason))}>
        <label class="field">
          <span>Reason, for the event log</span>
          <input value={reason} maxLength={1024} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <Decide verb={verb} tone={verb === "pause" ? "primary" : "danger"} onClose={onClose} />
      </form>
    </Dialog>
  );
}

function ForkDialog({ execution, onClose }: { execution: Execution; onClose: () => void }): JSX.Element {
  const [version, setVersion] = useState(String(execution.events));
  const attemptOnce = useAttempt();
  const fork = (): Promise<boolean> =>
    attemptOnce(async () => {
      const { id } = await post<{ id: string }>(`${path("executions", execution.id)}/fork`, {
        version: Number(version),
      });
      navigate(executionPath(id));
      return "forked";
    });
  return (
    <Dialog title="Fork this execution" onClose={onClose}>
      <p>A new execution reuses what is recorded before a version, and goes on from there.</p>
      <form onSubmit={(event) => (event.preventDefault(), void fork())}>
        <label class="field">
          <span>At version</span>
          <input
            type="number"
            min={1}
            max={execution.events}
            required
            value={version}
            onInput={(event) => setVersion(event.currentTarget.value)}
          />
        </label>
        <Decide verb="fork" onClose={onClose} />
      </form>
    </Dialog>
  );
}

type StubProps = { execution: Execution; type: FunctionType | undefined; onClose: () => void; onDone: () => void };

function StubDialog({ execution, type, onClose, onDone }: StubProps): JSX.Element {
  const wanted = type?.result ?? { kind: "result" as const, ok: null, err: null };
  const [draft, setDraft] = useState<Draft>(() => blank(wanted));
  const [problems, setProblems] = useState<Problem[]>([]);
  const answer = async (): Promise<void> => {
    const found: Problem[] = [];
    const result = read(wanted, draft, "", found);
    setProblems(found);
    if (result === undefined) return;
    const done = await attempt(async () => {
      const { outcome } = await post<{ outcome: string }>(`${path("executions", execution.id)}/stub`, { result });
      notify(`answer ${outcome}`);
    });
    if (done) (onDone(), onClose());
  };
  return (
    <Dialog title="Answer this execution" onClose={onClose}>
      <form onSubmit={(event) => (event.preventDefault(), void answer())} noValidate>
        <Field type={wanted} draft={draft} label="result" path="" problems={problems} onChange={setDraft} />
        <Decide verb="answer" onClose={onClose} />
      </form>
    </Dialog>
  );
}

function ReplayDialog({ replayed, onClose }: { replayed: Replayed; onClose: () => void }): JSX.Element {
  const { difference } = replayed;
  return (
    <Dialog title={replayed.matches ? "The replay matches" : "The replay differs"} onClose={onClose}>
      {replayed.matches ? (
        <p>All {replayed.entries} entries of the history were asked for again. Nothing was written.</p>
      ) : (
        <dl class="facts">
          {(["reason", "position", "version", "recorded", "asked"] as const).map(
            (name) =>
              difference?.[name] !== undefined && (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>
                    <code>{difference[name]}</code>
                  </dd>
                </div>
              ),
          )}
        </dl>
      )}
      <footer>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </footer>
    </Dialog>
  );
}
