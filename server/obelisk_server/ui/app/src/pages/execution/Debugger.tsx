/** Page: the history of a workflow, step by step. */

import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Loading } from "../../look/parts.tsx";
import { Rows } from "../../look/rows.tsx";
import type { LogEvent } from "../../wire/shapes.ts";
import { JoinSetName } from "./Events.tsx";
import { historyOf } from "./history.ts";
import { SceneView } from "./Scene.tsx";
import type { Loaded } from "./store.ts";
import { useVersion } from "./version.ts";
import "./debugger.css";

const ROW_PX = 28;

export function Debugger({ loaded }: { loaded: Loaded }): JSX.Element {
  const { execution, events, responses, id } = loaded;
  // the log is read page by page: what somebody asked for may be further down than what is there
  const last = Math.max(events.length, execution?.events ?? 0) - 1;
  const [version, move] = useVersion(last);
  useSteps(move);
  const event = events[version];
  const history = useMemo(() => historyOf(id, events, responses, version + 1), [id, events, responses, version]);
  return (
    <div class="debugger">
      <div class="toolbar" role="toolbar" aria-label="Steps">
        <button type="button" onClick={() => move(() => 0)} disabled={version === 0} aria-label="first event">
          |←
        </button>
        <button type="button" onClick={() => move((at) => at - 1)} disabled={version === 0}>
          ← back
        </button>
        <button type="button" onClick={() => move((at) => at + 1)} disabled={version >= last}>
          forward →
        </button>
        <button type="button" onClick={() => move(() => last)} disabled={version >= last} aria-label="last event">
          →|
        </button>
        <label class="step-range">
          <span class="visually-hidden">version</span>
          <input
            type="range"
            min={0}
            max={Math.max(0, last)}
            value={version}
            onInput={(input) => {
              const to = Number(input.currentTarget.value);
              move(() => to);
            }}
          />
        </label>
        <span class="number">
          {version} of {Math.max(0, last)}
        </span>
        <kbd>j</kbd> <kbd>k</kbd>
      </div>
      <div class="debug-split">
        <Rows
          label="History"
          class="steps panel"
          count={events.length}
          height={ROW_PX}
          reveal={event ? version : null}
          row={(index) => (
            <Step key={index} event={events[index]!} current={index === version} onGo={() => move(() => index)} />
          )}
        />
        {event ? (
          <SceneView loaded={loaded} event={event} taken={history.taken.get(version)} sets={history.joinSets} />
        ) : (
          <Loading />
        )}
      </div>
    </div>
  );
}

/** j and k step, as do the arrows left and right. */
function useSteps(move: (step: (version: number) => number) => void): void {
  const latest = useRef(move);
  latest.current = move;
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as Element).closest("input, textarea, select, [role=tree]")) return;
      if (event.key === "j" || event.key === "ArrowRight") latest.current((at) => at + 1);
      else if (event.key === "k" || event.key === "ArrowLeft") latest.current((at) => at - 1);
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);
}

function Step({ event, current, onGo }: { event: LogEvent; current: boolean; onGo: () => void }): JSX.Element {
  return (
    <div role="listitem">
      <button type="button" class="row-button step" aria-current={current ? "step" : undefined} onClick={onGo}>
        <span class="number entry-place">{event.version}</span>
        <span>{event.event}</span>
        {typeof event["join_set"] === "string" && event["join_set"] ? <JoinSetName name={event["join_set"]} /> : null}
      </button>
    </div>
  );
}
