/** Who ran when: one row for the execution and for each thing it started, with attempts, retries, waits and delays. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { FunctionName } from "../../look/parts.tsx";
import { Rows } from "../../look/rows.tsx";
import { Shape, outcomeState, stateOfResult, type State, type Tone, stateOf } from "../../look/states.tsx";
import { duration, micros, useNow } from "../../look/time.ts";
import { Link, executionPath } from "../../router.tsx";
import { useChildLog } from "./childLog.ts";
import { type Asked, historyOf, hueOf, responseText } from "./history.ts";
import type { Loaded } from "./store.ts";
import {
  type Phase,
  type PhaseKind,
  type Span,
  type View,
  moved,
  phasesOf,
  phasesOfBeginning,
  placed,
  spent,
  ticks,
  viewOf,
  visible,
  wheelFactor,
  windowOf,
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
  unread: "not read: too many events",
};

export function Timeline({ loaded }: { loaded: Loaded }): JSX.Element {
  const { execution, events, responses, id } = loaded;
  const live = execution?.status !== "finished";
  const now = useNow(LIVE_MS, live);
  const history = useMemo(() => historyOf(id, events, responses), [id, events, responses]);
  const from = execution ? micros(execution.created_at) : now;
  const end = execution?.finished_at ? micros(execution.finished_at) : now;
  const all: Span = { from, to: Math.max(end, from + 1_000) };
  const [view, setView] = useState<View>(null);
  const window = windowOf(view, all);
  const move: Move = (change) => setView((old) => viewOf(change(windowOf(old, all), all), all));
  const tick = ticks(window, all.from, TICKS);
  const own: Line = {
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
    <div class="timeline" onWheel={(event) => wheel(event, move)}>
      <Controls window={window} view={view} move={move} live={live} />
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

/** Changes what is seen: from the window as it then is, and all there is. */
type Move = (change: (window: Span, all: Span) => Span) => void;

function wheel(event: WheelEvent, move: Move): void {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const track = (event.currentTarget as HTMLElement).querySelector(".track")!.getBoundingClientRect();
  const about = Math.max(0, Math.min(1, (event.clientX - track.left) / track.width));
  move((window, all) => zoomed(window, all, wheelFactor(event.deltaY), about));
}

type ControlsProps = { window: Span; view: View; move: Move; live: boolean };

function Controls({ window, view, move, live }: ControlsProps): JSX.Element {
  const button = (label: string, text: string, change: (window: Span, all: Span) => Span): JSX.Element => (
    <button type="button" aria-label={label} title={label} onClick={() => move(change)}>
      {text}
    </button>
  );
  return (
    <div class="toolbar" role="toolbar" aria-label="Zoom of the timeline">
      {button("zoom in", "+", (window, all) => zoomed(window, all, 1 / ZOOM))}
      {button("zoom out", "−", (window, all) => zoomed(window, all, ZOOM))}
      {button("earlier", "←", (window, all) => moved(window, all, -0.25))}
      {button("later", "→", (window, all) => moved(window, all, 0.25))}
      <button type="button" disabled={view === null} onClick={() => move((_, all) => all)}>
        all
      </button>
      <span class="number">{duration(window.to - window.from)}</span>
      {live && (view === null || view.to === null) && (
        <span class="live">
          <Shape tone="run" /> live
        </span>
      )}
    </div>
  );
}

type Line = {
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
  const { events, cut } = useChildLog(asked, changes);
  const whole: Phase[] = [{ kind: asked.function === null ? "delay" : "running", from: asked.from, to: end }];
  const phases = events.length === 0 ? whole : cut ? phasesOfBeginning(events, end) : phasesOf(events, end);
  const line: Line = {
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
  unread: "run",
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

function JoinSetDot({ name }: { name: string }): JSX.Element {
  return <i class="join-set-dot" style={{ "--hue": String(hueOf(name)) }} title={`join set ${name}`} />;
}

function length(window: Span): number {
  return window.to - window.from;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(3)}%`;
}
