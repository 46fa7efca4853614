/** Where a workflow stood at one event. What the log says is there at once, the rest after a replay on the server. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Card, Id, Moment } from "../../look/parts.tsx";
import { JsonText } from "../../look/value.tsx";
import { duration, micros } from "../../look/time.ts";
import { printJson } from "../../values/json.ts";
import { type Refused, get, path, withQuery } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import type { LogEvent, Member, Response, Scene, SourceFrame } from "../../wire/shapes.ts";
import { JoinSetName } from "./Events.tsx";
import { type JoinSet, eventText, responseText, shortened } from "./history.ts";
import { Backtrace } from "./Overview.tsx";
import type { Loaded } from "./store.ts";
import { SETTLE_MS } from "./version.ts";

function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

type SceneProps = { loaded: Loaded; event: LogEvent; taken: Response | undefined; sets: Map<string, JoinSet> };

export function SceneView({ loaded, event, taken, sets }: SceneProps): JSX.Element {
  const { id, execution } = loaded;
  const version = useSettled(event.version);
  const { value, error } = useLoad(`${id} ${version}`, (signal) =>
    get<Scene>(withQuery(`${path("executions", id)}/debug`, { version }), signal),
  );
  const scene = value?.version === event.version ? value : undefined;
  const since = execution ? micros(event.at) - micros(execution.created_at) : 0;
  const call = scene?.call?.version === event.version ? scene.call : null;
  return (
    <div class="debug-at">
      <Card title={event.event} extra={<span class="number">+{duration(since)}</span>}>
        <dl class="facts">
          <div>
            <dt>asked</dt>
            <dd>{shortened(eventText(event)) || (call?.asked ?? event.event)}</dd>
          </div>
          <div>
            <dt>got</dt>
            <dd>
              {taken ? <Got response={taken} /> : <span class="none">{call?.answer.value ?? answerOf(event)}</span>}
            </dd>
          </div>
          {scene?.now && (
            <div>
              <dt>its own time</dt>
              <dd>
                <Moment at={scene.now} />
              </dd>
            </div>
          )}
          {scene?.end && (
            <div>
              <dt>ended</dt>
              <dd>{scene.end}</dd>
            </div>
          )}
        </dl>
        <details>
          <summary>the event as JSON</summary>
          <JsonText value={event} label="the event as JSON" />
        </details>
      </Card>
      <Card title="Join sets">{scene ? <OpenSets scene={scene} /> : <JoinSets sets={sets} />}</Card>
      <Card title="Logs so far">{scene ? <LogsSoFar scene={scene} /> : <Replaying error={error} />}</Card>
      <Card title="Backtrace">{scene ? <Frames scene={scene} /> : <Replaying error={error} />}</Card>
    </div>
  );
}

function Replaying({ error }: { error: Refused | undefined }): JSX.Element {
  return <p class="none">{error ? error.message : "Replaying…"}</p>;
}

function Got({ response }: { response: Response }): JSX.Element {
  return (
    <>
      {shortened(responseText(response))} <br />
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

function OpenSets({ scene }: { scene: Scene }): JSX.Element {
  if (scene.join_sets.length === 0) return <p class="none">None are open.</p>;
  const hidden = scene.join_sets_total - scene.join_sets.length;
  return (
    <>
      {scene.join_sets.map((set) => (
        <details key={set.id} class="open-set" open>
          <summary>
            <JoinSetName name={set.id} /> <span class="number">{set.members_total} submitted</span>
            {set.closing && " · closing"}
          </summary>
          <ul class="plain">
            {set.members.map((member) => (
              <MemberRow key={member.id} member={member} />
            ))}
          </ul>
        </details>
      ))}
      {hidden > 0 && <p class="none">{hidden} more</p>}
    </>
  );
}

function MemberRow({ member }: { member: Member }): JSX.Element {
  return (
    <li>
      <Id id={member.id} /> <span class="none">{member.function === null ? "delay, " : ""}</span>
      {member.state}
      {member.position !== null && <span class="number"> (response {member.position})</span>}
    </li>
  );
}

/** As far as the log tells, until the server has answered. */
function JoinSets({ sets }: { sets: Map<string, JoinSet> }): JSX.Element {
  const open = [...sets.values()].filter((set) => !set.closed && !set.name.startsWith("o:"));
  if (open.length === 0) return <p class="none">None are open.</p>;
  return (
    <ul class="plain">
      {open.map((set) => (
        <li key={set.name}>
          <JoinSetName name={set.name} /> <span class="number">{set.asked.length} submitted</span>
        </li>
      ))}
    </ul>
  );
}

function LogsSoFar({ scene }: { scene: Scene }): JSX.Element {
  if (scene.logs.length === 0) return <p class="none">Nothing was written.</p>;
  const hidden = scene.logs_total - scene.logs.length;
  return (
    <>
      {hidden > 0 && <p class="none">{hidden} lines before</p>}
      <pre class="text" tabIndex={0} aria-label="logs so far">
        {scene.logs.map((record) => `${record.level.padEnd(5)} ${record.message}`).join("\n")}
      </pre>
    </>
  );
}

function Frames({ scene }: { scene: Scene }): JSX.Element {
  const { difference } = scene;
  if (difference) {
    return (
      <p class="problem">
        The component does not repeat the history:{" "}
        {difference.reason ?? `recorded ${difference.recorded}, asked ${difference.asked}`}
      </p>
    );
  }
  if (scene.backtrace.length === 0 && scene.source.length === 0) return <p class="none">It was in no host call.</p>;
  return (
    <>
      {scene.source.length > 0 && (
        <ol class="backtrace">
          {scene.source.map((frame, index) => (
            <li key={index}>
              <code>{frameText(frame)}</code>
            </li>
          ))}
        </ol>
      )}
      <Backtrace frames={scene.backtrace} />
    </>
  );
}

function frameText({ module, function: name, symbols }: SourceFrame): string {
  const places = symbols
    .map(({ file, line }) => [file, line].filter((part) => part !== null).join(":"))
    .filter(Boolean);
  return `${module} ${name}${places.length ? ` (${places.join(", ")})` : ""}`;
}
