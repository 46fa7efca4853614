/** Page: the history of a workflow, step by step. */

import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { Rows } from "../../look/rows.tsx";
import { setQuery, usePlace } from "../../router.tsx";
import type { LogEvent } from "../../wire/shapes.ts";
import { JoinSetName } from "./Events.tsx";
import { historyOf } from "./history.ts";
import { SceneView } from "./Scene.tsx";
import type { Loaded } from "./store.ts";
import "./debugger.css";

const ROW_PX = 28;

export function Debugger({ loaded }: { loaded: Loaded }): JSX.Element {
  const { events, responses, id } = loaded;
  const wanted = usePlace().query.get("version");
  const version = Math.min(wanted === null ? 0 : Number(wanted) || 0, Math.max(0, events.length - 1));
  const go = (to: number): void => setQuery({ version: String(Math.max(0, Math.min(events.length - 1, to))) });
  useSteps(version, events.length, go);
  const event = events[version];
  const history = useMemo(() => historyOf(id, events, responses, version + 1), [id, events, responses, version]);
  return (
    <div class="debugger">
      <div class="toolbar" role="toolbar" aria-label="Steps">
        <button type="button" onClick={() => go(0)} disabled={version === 0} aria-label="first event">
          |←
        </button>
        <button type="button" onClick={() => go(version - 1)} disabled={version === 0}>
          ← back
        </button>
        <button type="button" onClick={() => go(version + 1)} disabled={version >= events.length - 1}>
          forward →
        </button>
        <button
          type="button"
          onClick={() => go(events.length - 1)}
          disabled={version >= events.length - 1}
          aria-label="last event"
        >
          →|
        </button>
        <label class="step-range">
          <span class="visually-hidden">version</span>
          <input
            type="range"
            min={0}
            max={Math.max(0, events.length - 1)}
            value={version}
            onInput={(input) => go(Number(input.currentTarget.value))}
          />
        </label>
        <span class="number">
          {version} of {Math.max(0, events.length - 1)}
        </span>
        <kbd>j</kbd> <kbd>k</kbd>
      </div>
      <div class="debug-split">
        <Rows
          label="History"
          class="steps panel"
          count={events.length}
          height={ROW_PX}
          reveal={version}
          row={(index) => (
            <Step key={index} event={events[index]!} current={index === version} onGo={() => go(index)} />
          )}
        />
        {event && (
          <SceneView loaded={loaded} event={event} taken={history.taken.get(version)} sets={history.joinSets} />
        )}
      </div>
    </div>
  );
}

/** j and k step, as do the arrows left and right. */
function useSteps(version: number, count: number, go: (to: number) => void): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as Element).closest("input, textarea, select, [role=tree]")) return;
      if (event.key === "j" || event.key === "ArrowRight") go(version + 1);
      else if (event.key === "k" || event.key === "ArrowLeft") go(version - 1);
      else return;
      event.preventDefault();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, [version, count]);
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
