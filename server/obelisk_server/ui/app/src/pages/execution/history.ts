/** What a workflow's log and responses say together: its join sets, what it asked for and what answered. */

import { printJson } from "../../values/json.ts";
import type { LogEvent, Outcome, Response } from "../../wire/shapes.ts";
import { clockTime, duration, micros } from "../../look/time.ts";

/** Something that a workflow submitted. */
export type Asked = {
  /** Of the child execution or of the delay. */
  id: string;
  joinSet: string;
  /** null: a delay. */
  function: string | null;
  version: number;
  from: number;
  /** When a delay is due. */
  wakes: number | null;
  answer: Response | null;
};

export type JoinSet = { name: string; asked: Asked[]; taken: number; closed: boolean };

export type History = {
  asked: Asked[];
  joinSets: Map<string, JoinSet>;
  /** by the version of the event that took it */ taken: Map<number, Response>;
};

/** Of the events below `before`, and of the responses that those events could see. */
export function historyOf(id: string, events: LogEvent[], responses: Response[], before = Infinity): History {
  const fold = new Fold(id, responses);
  for (const event of events) if (event.version < before) fold.add(event);
  return fold;
}

class Fold implements History {
  readonly asked: Asked[] = [];
  readonly joinSets = new Map<string, JoinSet>();
  readonly taken = new Map<number, Response>();
  private readonly answers = new Map<string, Response>();
  private readonly queues = new Map<string, Response[]>();

  constructor(
    private readonly id: string,
    responses: Response[],
  ) {
    for (const response of responses) {
      this.answers.set(response.id, response);
      const name = joinSetOf(response.id);
      const queue = this.queues.get(name);
      if (queue) queue.push(response);
      else this.queues.set(name, [response]);
    }
  }

  add(event: LogEvent): void {
    const name = event["join_set"];
    if (typeof name !== "string" || name === "") return;
    const set = this.set(name);
    switch (event.event) {
      case "child-submitted":
      case "delay-submitted":
        this.submit(set, event);
        if (name.startsWith("o:")) this.take(set, event);
        break;
      case "awaited-next":
        this.take(set, event);
        break;
      case "tried-next":
        if (event["pending"] !== true) this.take(set, event);
        break;
      case "join-set-closed":
        set.closed = true;
    }
  }

  private set(name: string): JoinSet {
    const found = this.joinSets.get(name) ?? { name, asked: [], taken: 0, closed: false };
    this.joinSets.set(name, found);
    return found;
  }

  private submit(set: JoinSet, event: LogEvent): void {
    const delay = event.event === "delay-submitted";
    const prefix = delay ? this.id.replace(/^E_/, "Delay_") : this.id;
    const id = `${prefix}.${set.name}_${set.asked.length + 1}`;
    const asked: Asked = {
      id,
      joinSet: set.name,
      function: delay ? null : String(event["function"]),
      version: event.version,
      from: micros(event.at),
      wakes: delay ? micros(String(event["wakes"])) : null,
      answer: this.answers.get(id) ?? null,
    };
    set.asked.push(asked);
    this.asked.push(asked);
  }

  private take(set: JoinSet, event: LogEvent): void {
    const response = this.queues.get(set.name)?.[set.taken];
    if (!response) return;
    set.taken += 1;
    this.taken.set(event.version, response);
  }
}

/** `E_….n:payments_2` was submitted to `n:payments`. */
export function joinSetOf(id: string): string {
  const segment = id.slice(id.lastIndexOf(".") + 1);
  return segment.slice(0, segment.lastIndexOf("_"));
}

/** A hue that stays with the name of a join set. */
export function hueOf(name: string): number {
  let hash = 7;
  for (const character of name) hash = (hash * 31 + character.charCodeAt(0)) % 3_600;
  return (hash * 137) % 360;
}

export function outcomeText(outcome: Outcome): string {
  if (outcome.failure) return `${outcome.failure.kind}: ${outcome.failure.reason}`;
  return "err" in outcome ? `err ${printJson(outcome.err ?? null)}` : `ok ${printJson(outcome.ok ?? null)}`;
}

export function responseText(response: Response): string {
  if (response.outcome) return outcomeText(response.outcome);
  return response.response === "delay-due" ? "the delay is due" : "the delay was cancelled";
}

const SHOWN_FIRST = [
  "join_set",
  "function",
  "params",
  "outcome",
  "reason",
  "attempt",
  "wakes",
  "due",
  "call",
  "value",
  "id",
];
const HIDDEN = new Set(["version", "at", "event", "join_set", "kind", "digest", "executor"]);

/** What an event says besides its name, on one line. */
export function eventText(event: LogEvent): string {
  if (event.event === "delay-submitted") {
    const wakes = micros(String(event["wakes"]));
    return `${duration(wakes - micros(event.at))}, until ${clockTime(wakes)}`;
  }
  const names = Object.keys(event).filter((name) => !HIDDEN.has(name));
  names.sort((a, b) => ((SHOWN_FIRST.indexOf(a) + 99) % 99) - ((SHOWN_FIRST.indexOf(b) + 99) % 99));
  const parts = names.map((name) => {
    const value = event[name] ?? null;
    if (name === "function" || name === "reason" || name === "id") return String(value);
    if (name === "params") return printJson(value).replace(/^\[|\]$/g, (bracket) => (bracket === "[" ? "(" : ")"));
    if (name === "outcome") return outcomeText(value as Outcome);
    return `${name} ${typeof value === "string" ? value : printJson(value)}`;
  });
  return parts.join(" · ").replace(/^(\S+) · \(/, "$1(");
}

/** Parameters and results may be megabytes: of a line in a list no more than this gets into the document. */
const LINE_MAX = 300;

export function shortened(text: string): string {
  return text.length > LINE_MAX ? `${text.slice(0, LINE_MAX)}…` : text;
}
