/** Who ran when: one row for the execution and for each thing it started, with attempts, retries, waits and delays. */

import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { FunctionName } from "../../look/parts.tsx";
import { Rows } from "../../look/rows.tsx";
import { Shape, outcomeState, stateOfResult, type State, type Tone, stateOf } from "../../look/states.tsx";
import { duration, micros, useNow } from "../../look/time.ts";
import { Link, executionPath } from "../../router.tsx";
import { get, path, withQuery } from "../../wire/client.ts";
import type { LogEvent, TailPage } from "../../wire/shapes.ts";
import { type Asked, historyOf, hueOf, responseText } from "./history.ts";
import type { Loaded } from "./store.ts";
import {
  type Phase,
  type PhaseKind,
  type Span,
  moved,
  phasesOf,
  placed,
  spent,
  ticks,
  visible,
  zoomed,
} from "./timeline.ts";
import "./timeline.css";

const ROW_PX = 28;
const TICKS = 8;
const LIVE_MS = 250;
const ZOOM = 1.6;

const WORDS: Record<PhaseKind, string> = {
  queued: "queued",
  running: "running",
  waiting: "waiting",
  backoff: "backing off",
  parked: "waiting, not in memory",
  paused: "paused",
  delay: "delay",
  later: "not due yet",
};

export function Timeline({ loaded }: { loaded: Loaded }): JSX.Element {
  const { execution, events, responses, id } = loaded;
  const live = execution?.status !== "finished";
  const now = useNow(LIVE_MS, live);
  const history = useMemo(() => historyOf(id, events, responses), [id, events, responses]);
  const from = execution ? micros(execution.created_at) : now;
  const end = execution?.finished_at ? micros(execution.finished_at) : now;
  const all: Span = { from, to: Math.max(end, from + 1_000) };
  const [view, setView] = useState<Span | null>(null);
  const window = view ?? all;
  const tick = ticks(window, all.from, TICKS);
  const own: Line = {
    key: id,
    label: <strong>this execution</strong>,
    state: execution && stateOf(execution),
    phases: phasesOf(events, end),
    joinSet: null,
  };
  const line = (index: number): JSX.Element =>
    index === 0 ? (
      <Bar key={id} line={own} window={window} ticks={tick} zero={all.from} />
    ) : (
      <ChildBar
        key={history.asked[index - 1]!.id}
        asked={history.asked[index - 1]!}
        window={window}
        now={end}
        ticks={tick}
        zero={all.from}
        changes={loaded.changesOf(history.asked[index - 1]!.id)}
      />
    );
  return (
    <div class="timeline" onWheel={(event) => wheel(event, window, all, setView)}>
      <Controls window={window} all={all} set={setView} zoomedIn={view !== null} live={live} />
      <div class="lane axis" aria-hidden="true">
        <span class="lane-label">
          {history.asked.length} {history.asked.length === 1 ? "child or delay" : "children and delays"}
        </span>
        <div class="track">
          {tick.map((offset) => (
            <span
              key={offset}
              class="tick"
              style={{ left: percent((all.from + offset - window.from) / length(window)) }}
            >
              {duration(offset)}
            </span>
          ))}
        </div>
      </div>
      <Rows label="Timeline" class="panel" count={history.asked.length + 1} height={ROW_PX} row={line} />
      <p class="legend">
        {(Object.keys(WORDS) as PhaseKind[]).map((kind) => (
          <span key={kind}>
            <i class={`swatch phase-${kind}`} /> {WORDS[kind]}
          </span>
        ))}
      </p>
    </div>
  );
}

function wheel(event: WheelEvent, window: Span, all: Span, set: (span: Span) => void): void {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const track = (event.currentTarget as HTMLElement).querySelector(".track")!.getBoundingClientRect();
  const about = Math.max(0, Math.min(1, (event.clientX - track.left) / track.width));
  set(zoomed(window, all, event.deltaY > 0 ? ZOOM : 1 / ZOOM, about));
}

type ControlsProps = { window: Span; all: Span; set: (span: Span | null) => void; zoomedIn: boolean; live: boolean };

function Controls({ window, all, set, zoomedIn, live }: ControlsProps): JSX.Element {
  const button = (label: string, text: string, next: () => Span | null): JSX.Element => (
    <button type="button" aria-label={label} title={label} onClick={() => set(next())}>
      {text}
    </button>
  );
  return (
    <div class="toolbar" role="toolbar" aria-label="Zoom of the timeline">
      {button("zoom in", "+", () => zoomed(window, all, 1 / ZOOM))}
      {button("zoom out", "−", () => zoomed(window, all, ZOOM))}
      {button("earlier", "←", () => moved(window, all, -0.25))}
      {button("later", "→", () => moved(window, all, 0.25))}
      <button type="button" disabled={!zoomedIn} onClick={() => set(null)}>
        all
      </button>
      <span class="number">{duration(window.to - window.from)}</span>
      {live && !zoomedIn && (
        <span class="live">
          <Shape tone="run" /> live
        </span>
      )}
    </div>
  );
}

type Line = {
  key: string;
  label: JSX.Element;
  state: State | undefined;
  phases: Phase[];
  joinSet: string | null;
};

type BarProps = { line: Line; window: Span; ticks: number[]; zero: number };

function Bar({ line, window, ticks, zero }: BarProps): JSX.Element {
  const last = line.phases.at(-1);
  const whole = last ? duration(last.to - line.phases[0]!.from) : "";
  const described = [...spent(line.phases)].map(([kind, time]) => `${WORDS[kind]} ${duration(time)}`).join(", ");
  return (
    <div class="lane" role="listitem" title={described}>
      <span class="lane-label">
        {line.joinSet !== null && <JoinSetDot name={line.joinSet} />}
        {line.state && <Shape tone={line.state.tone} />}
        {line.label}
        <span class="visually-hidden">
          {line.state?.word}: {described}
        </span>
      </span>
      <div class="track" aria-hidden="true">
        {ticks.map((offset) => (
          <i key={offset} class="grid" style={{ left: percent((zero + offset - window.from) / length(window)) }} />
        ))}
        {visible(line.phases, window).map((phase, index, seen) => {
          const place = placed(window, phase.from, phase.to);
          return (
            place && (
              <i
                key={index}
                class={`phase phase-${phase.kind} ${index === seen.length - 1 ? `end-${line.state?.tone}` : ""}`}
                style={{ left: percent(place.left), width: percent(place.width) }}
              />
            )
          );
        })}
        {last && <Ended window={window} at={last.to} text={whole} />}
      </div>
    </div>
  );
}

function Ended({ window, at, text }: { window: Span; at: number; text: string }): JSX.Element | null {
  const place = placed(window, at, at);
  if (!place) return null;
  const inside = place.left > 0.88;
  return (
    <span class={inside ? "bar-text inside" : "bar-text"} style={{ left: percent(place.left) }}>
      {text}
    </span>
  );
}

type ChildProps = { asked: Asked; window: Span; now: number; ticks: number[]; zero: number; changes: number };

function ChildBar({ asked, window, now, ticks, zero, changes }: ChildProps): JSX.Element {
  const end = asked.answer ? micros(asked.answer.at) : now;
  const events = useChildEvents(asked, changes);
  const whole: Phase[] = [{ kind: asked.function === null ? "delay" : "running", from: asked.from, to: end, note: "" }];
  const phases = events.length ? phasesOf(events, end) : whole;
  const line: Line = {
    key: asked.id,
    label: <ChildLabel asked={asked} />,
    state: asked.answer ? answerState(asked) : openState(phases),
    phases,
    joinSet: asked.joinSet,
  };
  return <Bar line={line} window={window} ticks={ticks} zero={zero} />;
}

const OPEN: Record<PhaseKind, Tone> = {
  queued: "idle",
  running: "run",
  waiting: "wait",
  backoff: "err",
  parked: "wait",
  paused: "hold",
  delay: "wait",
  later: "idle",
};

function openState(phases: Phase[]): State {
  const kind = phases.at(-1)?.kind ?? "queued";
  return { word: WORDS[kind], tone: OPEN[kind] };
}

function answerState(asked: Asked): State {
  const { outcome, response } = asked.answer!;
  if (outcome) return stateOfResult(outcome);
  return response === "delay-due" ? outcomeState("ok") : outcomeState("cancelled");
}

function ChildLabel({ asked }: { asked: Asked }): JSX.Element {
  const tail = asked.id.slice(asked.id.lastIndexOf(".") + 1);
  if (asked.function === null) {
    const length = duration((asked.wakes ?? asked.from) - asked.from);
    return (
      <span class="lane-name" title={asked.answer ? responseText(asked.answer) : undefined}>
        delay {length} <small>{tail}</small>
      </span>
    );
  }
  return (
    <Link to={executionPath(asked.id)} class="lane-name" title={`${asked.id}\n${asked.function}`}>
      <FunctionName name={asked.function} /> <small>{tail}</small>
    </Link>
  );
}

const finishedLogs = new Map<string, LogEvent[]>();
const LOGS_KEPT = 2_000;

/** The log of a child that is visible, for its attempts and waits; read again while it runs. */
function useChildEvents(asked: Asked, changes: number): LogEvent[] {
  const [events, setEvents] = useState<LogEvent[]>(finishedLogs.get(asked.id) ?? []);
  const done = useRef(finishedLogs.has(asked.id));
  useEffect(() => {
    if (asked.function === null || done.current) return;
    const aborted = new AbortController();
    const read = async (): Promise<void> => {
      const url = withQuery(path("executions", asked.id) + "/events", { limit: 200 });
      const page = await get<TailPage<LogEvent>>(url, aborted.signal);
      done.current = page.complete;
      if (page.complete && finishedLogs.size < LOGS_KEPT) finishedLogs.set(asked.id, page.items);
      setEvents(page.items);
    };
    // the whole bar stays if its parts cannot be read
    read().catch(() => undefined);
    return () => aborted.abort();
  }, [asked.id, changes]);
  return events;
}

function JoinSetDot({ name }: { name: string }): JSX.Element {
  return <i class="join-set-dot" style={{ "--hue": String(hueOf(name)) }} title={`join set ${name}`} />;
}

function length(window: Span): number {
  return window.to - window.from;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(3)}%`;
}
