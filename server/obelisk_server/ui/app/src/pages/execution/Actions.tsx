/** What can be done to an execution where it stands. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "../../look/parts.tsx";
import { attempt, useAttempt } from "../../look/notices.tsx";
import { Link, executionPath, navigate, submitPath } from "../../router.tsx";
import { type Draft, type Problem, blank, read } from "../../values/draft.ts";
import type { Json } from "../../values/json.ts";
import type { FunctionType, WitType } from "../../values/types.ts";
import { path, post } from "../../wire/client.ts";
import { may } from "../../wire/rights.ts";
import { type Execution, hasChildren, type Replayed } from "../../wire/shapes.ts";
import { Field } from "../submit/Field.tsx";

type Verb = "cancel" | "terminate" | "pause" | "resume" | "upgrade";
/** `type`: of the function; or why it is not known. */
type ActionsProps = { execution: Execution; type: FunctionType | string; onDone: () => void };

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
  const steer = async (verb: Verb, reason = ""): Promise<string> => {
    try {
      const { outcome } = await post<{ outcome: string }>(
        `${path("executions", id)}/${verb}`,
        reason ? { reason } : {},
      );
      return `${verb}: ${outcome}`;
    } finally {
      onDone();
    }
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
          key={verb === "pause" || verb === "resume" ? "hold" : verb} // one takes the place of the other, with the focus
          type="button"
          onClick={() => (verb === "resume" || verb === "upgrade" ? attempt(() => steer(verb)) : setAsked(verb))}
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

type DecideProps = { verb: string; tone?: "primary" | "danger"; refusal: string; onClose: () => void };

/** The end of a form in a dialog; what was refused is said here, as notices are behind it. */
function Decide({ verb, tone = "primary", refusal, onClose }: DecideProps): JSX.Element {
  return (
    <>
      {refusal && (
        <p class="problem" role="alert">
          {refusal}
        </p>
      )}
      <footer>
        <button type="button" onClick={onClose}>
          Back
        </button>
        <button type="submit" class={tone}>
          {verb}
        </button>
      </footer>
    </>
  );
}

/** (what was refused last, attempt): of a dialog, which is closed when it was done. */
function useDecision(onClose: () => void): [string, (work: () => Promise<string>) => Promise<void>] {
  const [refusal, setRefusal] = useState("");
  const attemptOnce = useAttempt(setRefusal);
  const decide = async (work: () => Promise<string>): Promise<void> => {
    setRefusal("");
    if (await attemptOnce(work)) onClose();
  };
  return [refusal, decide];
}

type ReasonProps = { verb: Verb; onClose: () => void; onDo: (reason: string) => Promise<string> };

function ReasonDialog({ verb, onClose, onDo }: ReasonProps): JSX.Element {
  const [reason, setReason] = useState("");
  const [refusal, decide] = useDecision(onClose);
  return (
    <Dialog title={`${verb[0]!.toUpperCase()}${verb.slice(1)} this execution`} onClose={onClose}>
      <form onSubmit={(event) => (event.preventDefault(), void decide(() => onDo(reason)))}>
        <label class="field">
          <span>Reason, for the event log</span>
          <input value={reason} maxLength={1024} onInput={(event) => setReason(event.currentTarget.value)} />
        </label>
        <Decide verb={verb} tone={verb === "pause" ? "primary" : "danger"} refusal={refusal} onClose={onClose} />
      </form>
    </Dialog>
  );
}

function ForkDialog({ execution, onClose }: { execution: Execution; onClose: () => void }): JSX.Element {
  const [version, setVersion] = useState(String(execution.events));
  const [refusal, decide] = useDecision(onClose);
  const fork = async (): Promise<string> => {
    const body = { version: Number(version) };
    const { id } = await post<{ id: string }>(`${path("executions", execution.id)}/fork`, body);
    navigate(executionPath(id));
    return "forked";
  };
  return (
    <Dialog title="Fork this execution" onClose={onClose}>
      <p>A new execution reuses what is recorded before a version, and goes on from there.</p>
      <form onSubmit={(event) => (event.preventDefault(), void decide(fork))}>
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
        <Decide verb="fork" refusal={refusal} onClose={onClose} />
      </form>
    </Dialog>
  );
}

type StubProps = { execution: Execution; type: FunctionType | string; onClose: () => void; onDone: () => void };

function StubDialog({ execution, type, onClose, onDone }: StubProps): JSX.Element {
  const answer = async (result: Json): Promise<string> => {
    const { outcome } = await post<{ outcome: string }>(`${path("executions", execution.id)}/stub`, { result });
    onDone();
    return `answer ${outcome}`;
  };
  return (
    <Dialog title="Answer this execution" onClose={onClose}>
      {typeof type === "string" ? (
        <>
          <p role="status">{type}</p>
          <CloseFooter onClose={onClose} />
        </>
      ) : (
        <StubForm wanted={type.result ?? NO_VALUE} onClose={onClose} onAnswer={answer} />
      )}
    </Dialog>
  );
}

const NO_VALUE: WitType = { kind: "result", ok: null, err: null };

type StubFormProps = { wanted: WitType; onClose: () => void; onAnswer: (result: Json) => Promise<string> };

function StubForm({ wanted, onClose, onAnswer }: StubFormProps): JSX.Element {
  const [draft, setDraft] = useState<Draft>(() => blank(wanted));
  const [problems, setProblems] = useState<Problem[]>([]);
  const [refusal, decide] = useDecision(onClose);
  const answer = (): void => {
    const found: Problem[] = [];
    const result = read(wanted, draft, "", found);
    setProblems(found);
    if (result !== undefined) void decide(() => onAnswer(result));
  };
  return (
    <form onSubmit={(event) => (event.preventDefault(), answer())} noValidate>
      <Field type={wanted} draft={draft} label="result" path="" problems={problems} onChange={setDraft} />
      <Decide verb="answer" refusal={refusal} onClose={onClose} />
    </form>
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
      <CloseFooter onClose={onClose} />
    </Dialog>
  );
}

/** The end of a dialog in which nothing is to be decided. */
function CloseFooter({ onClose }: { onClose: () => void }): JSX.Element {
  return (
    <footer>
      <button type="button" onClick={onClose}>
        Close
      </button>
    </footer>
  );
}
