/** Page: the history step by step. What the log says is shown at once; the backtrace comes from a replay on the server. */

import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { Card, Id } from "../../look/parts.tsx";
import { Rows } from "../../look/rows.tsx";
import { JsonText } from "../../look/value.tsx";
import { duration, micros } from "../../look/time.ts";
import { setQuery, usePlace } from "../../router.tsx";
import { type Json, type JsonObject, isObject, printJson } from "../../values/json.ts";
import { get, path, withQuery } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import type { LogEvent, LogRecord, Response, TailPage } from "../../wire/shapes.ts";
import { JoinSetName } from "./Events.tsx";
import { type JoinSet, eventText, historyOf, responseText } from "./history.ts";
import { Backtrace } from "./Overview.tsx";
import type { Loaded } from "./store.ts";

const ROW_PX = 28;
const LOG_LINES = 1_000;

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
          class="steps"
          count={events.length}
          height={ROW_PX}
          reveal={version}
          row={(index) => (
            <Step key={index} event={events[index]!} current={index === version} onGo={() => go(index)} />
          )}
        />
        {event && <At loaded={loaded} event={event} taken={history.taken.get(version)} sets={history.joinSets} />}
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
      <button type="button" class="step" aria-current={current ? "step" : undefined} onClick={onGo}>
        <span class="number entry-place">{event.version}</span>
        <span>{event.event}</span>
        {typeof event["join_set"] === "string" && event["join_set"] ? <JoinSetName name={event["join_set"]} /> : null}
      </button>
    </div>
  );
}

type AtProps = { loaded: Loaded; event: LogEvent; taken: Response | undefined; sets: Map<string, JoinSet> };

function At({ loaded, event, taken, sets }: AtProps): JSX.Element {
  const { id, execution } = loaded;
  const { value: server, error } = useLoad(`${id} ${event.version}`, (signal) =>
    get<JsonObject>(withQuery(`${path("executions", id)}/debug`, { version: event.version }), signal),
  );
  const since = execution ? micros(event.at) - micros(execution.created_at) : 0;
  return (
    <div class="debug-at">
      <Card title={<>{event.event}</>} extra={<span class="number">+{duration(since)}</span>}>
        <dl class="facts">
          <div>
            <dt>asked</dt>
            <dd>{typeof server?.["asked"] === "string" ? server["asked"] : eventText(event) || event.event}</dd>
          </div>
          <div>
            <dt>got</dt>
            <dd>{taken ? <Got response={taken} /> : <span class="none">{answerOf(event)}</span>}</dd>
          </div>
        </dl>
        <details>
          <summary>the event as JSON</summary>
          <JsonText value={event} label="the event as JSON" />
        </details>
      </Card>
      <Card title="Join sets">
        <JoinSets sets={sets} />
      </Card>
      <Card title="Logs so far">
        <LogsSoFar id={id} until={event.at} />
      </Card>
      <Card title="Backtrace">
        {framesOf(server).length ? (
          <Backtrace frames={framesOf(server)} />
        ) : (
          <p class="none">
            {error
              ? error.missing
                ? "This server does not replay to a point."
                : error.message
              : server
                ? "None here."
                : "Replaying…"}
          </p>
        )}
      </Card>
    </div>
  );
}

function Got({ response }: { response: Response }): JSX.Element {
  return (
    <>
      {responseText(response)} <br />
      <Id id={response.id} /> <span class="number">response {response.position}</span>
    </>
  );
}

/** What an entry itself says was answered. */
function answerOf(event: LogEvent): string {
  switch (event.event) {
    case "random-drawn":
      return printJson(event["value"] ?? null);
    case "id-generated":
    case "scheduled":
      return String(event["id"]);
    case "tried-next":
      return event["pending"] === true ? "pending" : "the next response";
    case "stubbed":
    case "submission-refused":
      return String(event["error"] || "ok");
    case "child-submitted":
    case "awaited-next":
      return "nothing yet: it waits";
    default:
      return "nothing";
  }
}

function JoinSets({ sets }: { sets: Map<string, JoinSet> }): JSX.Element {
  if (sets.size === 0) return <p class="none">None yet.</p>;
  const shown = [...sets.values()].filter((set) => !(set.name.startsWith("o:") && set.taken === set.asked.length));
  const done = sets.size - shown.length;
  return (
    <>
      <ul class="plain sets">
        {shown.map((set) => (
          <li key={set.name}>
            <JoinSetName name={set.name} />
            <span class="number">
              {set.asked.length} submitted, {set.taken} taken{set.closed ? ", closed" : ""}
            </span>
          </li>
        ))}
      </ul>
      {done > 0 && <p class="none">{done} direct calls and sleeps are done.</p>}
    </>
  );
}

function LogsSoFar({ id, until }: { id: string; until: string }): JSX.Element {
  const { value } = useLoad(id, (signal) =>
    get<TailPage<LogRecord>>(withQuery(`${path("executions", id)}/logs`, { limit: LOG_LINES }), signal),
  );
  const lines = value?.items.filter((record) => record.at <= until) ?? [];
  if (lines.length === 0) return <p class="none">Nothing was written.</p>;
  return (
    <pre class="text" tabIndex={0} aria-label="logs so far">
      {lines.map((record) => `${record.level.padEnd(5)} ${record.message}`).join("\n")}
    </pre>
  );
}

function framesOf(server: JsonObject | undefined): string[] {
  const found: Json | undefined = server?.["backtrace"];
  const frames = isObject(found) ? found["frames"] : found;
  return Array.isArray(frames) ? frames.map((frame) => (typeof frame === "string" ? frame : printJson(frame))) : [];
}
