/** Page: whether the server is well: queues, latencies, what is in memory, the store, and what failed. */

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Card, Empty, FunctionName, Id, Loading, Moment, Trouble } from "../../look/parts.tsx";
import { Shape } from "../../look/states.tsx";
import { type Json, type JsonObject, isObject, printJson } from "../../values/json.ts";
import { get } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import { figure, titled } from "./figures.ts";

const EVERY_MS = 3_000;

export function HealthPage(): JSX.Element {
  const ready = useLoad("ready", (signal) => get<JsonObject>("/readyz", signal));
  const health = useLoad("health", (signal) => get<JsonObject>("/v1/health", signal));
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.hidden) return;
      ready.reload();
      health.reload();
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const well = ready.value !== undefined && ready.error === undefined;
  return (
    <div class="page page-health">
      <header class="page-head">
        <h1>Health</h1>
        <p class={well ? "state tone-ok" : "state tone-bad"} role="status">
          <Shape tone={well ? "ok" : "bad"} /> {well ? "ready" : (ready.error?.message ?? "asking")}
        </p>
      </header>
      {health.error?.missing && <Empty title="This server tells no figures" />}
      {health.error && !health.error.missing && !health.value && <Trouble error={health.error} what="The figures" />}
      {!health.value && !health.error && <Loading />}
      {health.value && <Figures answer={health.value} />}
    </div>
  );
}

function Figures({ answer }: { answer: JsonObject }): JSX.Element {
  const groups = Object.entries(answer).filter(([name, value]) => isObject(value) && name !== "failures");
  const single = Object.entries(answer).filter(([, value]) => !isObject(value) && !Array.isArray(value));
  return (
    <div class="figures">
      {single.length > 0 && (
        <Card title="Server">
          <FigureList entries={single} />
        </Card>
      )}
      {groups.map(([name, value]) => (
        <Card key={name} title={titled(name)}>
          <FigureList entries={Object.entries(value as JsonObject)} />
        </Card>
      ))}
      <Failures failures={answer["failures"] ?? []} />
    </div>
  );
}

function FigureList({ entries }: { entries: [string, Json][] }): JSX.Element {
  return (
    <dl class="facts">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>{titled(name)}</dt>
          <dd class="number">
            {isObject(value) ? <FigureList entries={Object.entries(value)} /> : figure(name, value)}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Failures({ failures }: { failures: Json }): JSX.Element {
  const groups = Array.isArray(failures) ? failures.filter(isObject) : [];
  return (
    <Card title="Recent failures">
      {groups.length === 0 && <p class="none">None.</p>}
      <ul class="plain failures">
        {groups.map((group, index) => (
          <li key={index}>
            <Shape tone={group["kind"] === "err" || group["outcome"] === "err" ? "err" : "bad"} />
            <span class="number count">{String(group["count"] ?? 1)}</span>
            <strong>{String(group["kind"] ?? group["outcome"] ?? "")}</strong>
            {typeof group["function"] === "string" && <FunctionName name={group["function"]} />}
            <span class="failure-reason">{reasonOf(group)}</span>
            {latest(group) && <Id id={latest(group)!} />}
            {typeof group["at"] === "string" && <Moment at={group["at"]} />}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function reasonOf(group: JsonObject): string {
  const reason = group["reason"] ?? group["value"] ?? "";
  return typeof reason === "string" ? reason : printJson(reason);
}

function latest(group: JsonObject): string | undefined {
  const found = group["latest"] ?? group["id"] ?? (Array.isArray(group["ids"]) ? group["ids"][0] : undefined);
  return typeof found === "string" ? found : undefined;
}
