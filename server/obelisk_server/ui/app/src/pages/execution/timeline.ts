/** Where the bars of a timeline are: phases of an execution from its log, and a window of time on a line. */

import { micros } from "../../look/time.ts";
import type { LogEvent } from "../../wire/shapes.ts";

export type PhaseKind =
  "queued" | "running" | "waiting" | "backoff" | "parked" | "paused" | "delay" | "later" | "unread";
export type Phase = { kind: PhaseKind; from: number; to: number };

/** What an execution did from its creation until it finished, or until now. */
export function phasesOf(events: LogEvent[], now: number): Phase[] {
  const phases: Phase[] = [];
  let open = null as Omit<Phase, "to"> | null;
  const turn = (kind: PhaseKind | null, at: number): void => {
    if (open && at > open.from) phases.push({ ...open, to: at });
    open = kind && { kind, from: at };
  };
  for (const event of events) {
    const at = micros(event.at);
    // what answered it is in another list; the next event says that it went on
    if (open?.kind === "waiting" && !waits(event)) turn("running", at);
    if (open?.kind === "running" && waits(event)) turn("waiting", at);
    switch (event.event) {
      case "created": {
        const due = event["due"] === undefined ? at : micros(String(event["due"]));
        if (due > at) turn("later", at);
        if (due <= now) turn("queued", due);
        break;
      }
      case "locked":
        turn("running", at);
        break;
      case "unlocked":
        turn(event["parked"] === true ? "parked" : "queued", at);
        break;
      case "attempt-failed":
      case "attempt-timed-out":
      case "attempt-lost": {
        const due = micros(String(event["due"]));
        turn("backoff", at);
        if (due <= now) turn("queued", due);
        break;
      }
      case "paused":
        turn("paused", at);
        break;
      case "resumed":
        turn("queued", at);
        break;
      case "finished":
        turn(null, at);
    }
  }
  turn(null, Math.max(now, phases.at(-1)?.to ?? 0));
  return phases;
}

/** Of a log whose end was not read: what it did after the last of these events is not known here. */
export function phasesOfBeginning(events: LogEvent[], end: number): Phase[] {
  const read = micros(events.at(-1)!.at);
  return [...phasesOf(events, read), { kind: "unread", from: read, to: Math.max(read, end) }];
}

/** How long of each kind, in the order of their first. */
export function spent(phases: Phase[]): Map<PhaseKind, number> {
  const times = new Map<PhaseKind, number>();
  for (const { kind, from, to } of phases) times.set(kind, (times.get(kind) ?? 0) + to - from);
  return times;
}

/** Whether a workflow goes on only after an answer to this. */
function waits(event: LogEvent): boolean {
  if (event.event === "awaited-next") return true;
  const submits = event.event === "child-submitted" || event.event === "delay-submitted";
  return submits && String(event["join_set"]).startsWith("o:");
}

/** Those that can be seen in a window; what is too short to be told apart there is one part, of the kind that lasted longest. */
export function visible(phases: Phase[], window: Span): Phase[] {
  const shortest = (window.to - window.from) / PARTS_SEEN;
  const parts: Phase[][] = [];
  for (const phase of phases) {
    if (phase.to < window.from || phase.from > window.to) continue;
    const last = parts.at(-1);
    if (last && phase.to - last[0]!.from < shortest) last.push(phase);
    else parts.push([phase]);
  }
  return parts.map(merged);
}

function merged(part: Phase[]): Phase {
  const [kind] = [...spent(part)].reduce((longest, each) => (each[1] > longest[1] ? each : longest));
  return { kind, from: part[0]!.from, to: part.at(-1)!.to };
}

export type Span = { from: number; to: number };

const SPAN_MIN = 20;
/** Into so many a window is divided; a bar has no more than two parts in each. */
const PARTS_SEEN = 500;

/** In parts of the window, 0 to 1, cut at its edges; null: outside. */
export function placed(window: Span, from: number, to: number): { left: number; width: number } | null {
  if (to < window.from || from > window.to) return null;
  const length = window.to - window.from;
  const left = Math.max(0, (from - window.from) / length);
  return { left, width: Math.min(1, (to - window.from) / length) - left };
}

/** Zoomed by a factor about a point, 0 to 1, never beyond all there is. */
export function zoomed(window: Span, all: Span, factor: number, about = 0.5): Span {
  const length = Math.min(all.to - all.from, Math.max(SPAN_MIN, (window.to - window.from) * factor));
  const center = window.from + (window.to - window.from) * about;
  return moved({ from: center - length * about, to: center + length * (1 - about) }, all, 0);
}

/** Moved by a part of its length, never beyond all there is. */
export function moved(window: Span, all: Span, part: number): Span {
  const length = window.to - window.from;
  const wanted = window.from + length * part;
  const from = Math.max(all.from, Math.min(wanted, all.to - length));
  return { from, to: from + length };
}

/** What somebody chose to see of a timeline; null: all there is. `to` is null at its end, which may be the present. */
export type View = { length: number; to: number | null } | null;

/** Times this large are rounded to parts of a microsecond. */
const ROUNDING = 1;

export function windowOf(view: View, all: Span): Span {
  if (view === null) return all;
  const to = view.to ?? all.to;
  return { from: to - view.length, to };
}

export function viewOf(window: Span, all: Span): View {
  const length = window.to - window.from;
  if (length >= all.to - all.from - ROUNDING) return null;
  return { length, to: window.to >= all.to - ROUNDING ? null : window.to };
}

/** By how much a turn of the wheel zooms: many small ones, as a trackpad sends them, are as much as a large one. */
export function wheelFactor(pixels: number): number {
  return Math.exp(pixels * 0.002);
}

const STEPS = [1, 2, 5].flatMap((digit) => Array.from({ length: 14 }, (_, power) => digit * 10 ** power));
const LONG_STEPS = [60, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400, 604_800].map((seconds) => seconds * 1_000_000);

/** Round offsets from `zero` within the window, about `count` of them. */
export function ticks(window: Span, zero: number, count: number): number[] {
  const length = window.to - window.from;
  const candidates = [...STEPS.filter((step) => step < 60_000_000), ...LONG_STEPS].sort((a, b) => a - b);
  const step =
    candidates.find((candidate) => length / candidate <= count) ??
    LONG_STEPS.at(-1)! * Math.ceil(length / LONG_STEPS.at(-1)! / count);
  const first = Math.ceil((window.from - zero) / step) * step;
  const found: number[] = [];
  for (let offset = first; zero + offset <= window.to; offset += step) found.push(offset);
  return found;
}
