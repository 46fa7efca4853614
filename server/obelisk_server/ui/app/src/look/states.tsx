/** Where an execution stands, by colour, by shape and by word. */

import type { JSX } from "preact";
import type { Outcome, Summary } from "../wire/shapes.ts";

export type Tone = "ok" | "err" | "bad" | "run" | "wait" | "idle" | "hold";
export type State = { word: string; tone: Tone };

export function stateOf(item: Pick<Summary, "status" | "lifecycle" | "outcome" | "kind">): State {
  if (item.status === "finished") return outcomeState(item.outcome ?? "ok");
  if (item.lifecycle === "paused") return { word: "paused", tone: "hold" };
  if (item.lifecycle === "cancelling") return { word: "cancelling", tone: "hold" };
  if (item.status === "locked") return { word: "running", tone: "run" };
  if (item.status === "blocked") return { word: "waiting", tone: "wait" };
  return item.kind === "stub" ? { word: "to answer", tone: "wait" } : { word: "pending", tone: "idle" };
}

export function outcomeState(outcome: string): State {
  if (outcome === "ok") return { word: "ok", tone: "ok" };
  if (outcome === "err") return { word: "err", tone: "err" };
  return { word: outcome, tone: "bad" };
}

export function stateOfResult(result: Outcome): State {
  return outcomeState(result.failure ? result.failure.kind : "err" in result ? "err" : "ok");
}

const SHAPES: Record<Tone, JSX.Element> = {
  ok: <path d="M3 8.500 6.500 12 13 4.500" fill="none" stroke="currentColor" stroke-width="2.500" />,
  err: <path d="M8 2 15 14H1ZM8 6.500v3.500M8 11.500v1" fill="none" stroke="currentColor" stroke-width="1.800" />,
  bad: (
    <path
      d="M3.500 3.500 12.500 12.500M12.500 3.500 3.500 12.500"
      fill="none"
      stroke="currentColor"
      stroke-width="2.500"
    />
  ),
  run: <path d="M4 2.500 13.500 8 4 13.500Z" fill="currentColor" />,
  wait: (
    <>
      <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" />
      <path d="M8 2a6 6 0 0 1 0 12Z" fill="currentColor" />
    </>
  ),
  idle: <circle cx="8" cy="8" r="5.500" fill="none" stroke="currentColor" stroke-width="2" />,
  hold: <path d="M5 3v10M11 3v10" fill="none" stroke="currentColor" stroke-width="3" />,
};

export function Shape({ tone }: { tone: Tone }): JSX.Element {
  return (
    <svg class={`shape tone-${tone}`} viewBox="0 0 16 16" aria-hidden="true">
      {SHAPES[tone]}
    </svg>
  );
}

export function StateMark({ state }: { state: State }): JSX.Element {
  return (
    <span class={`state tone-${state.tone}`}>
      <Shape tone={state.tone} />
      {state.word}
    </span>
  );
}
