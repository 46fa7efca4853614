/** The HTTP requests that attempts made. */

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { Empty, Loading, Trouble } from "../../look/parts.tsx";
import { JsonText } from "../../look/value.tsx";
import { Shape } from "../../look/states.tsx";
import { clockTime, duration, micros } from "../../look/time.ts";
import type { Json, JsonObject } from "../../values/json.ts";
import { get, path } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";

export function Requests({ id, changes }: { id: string; changes: number }): JSX.Element {
  const { value, error, reload } = useLoad(id, (signal) =>
    get<{ items: JsonObject[] }>(path("executions", id) + "/requests", signal),
  );
  useEffect(() => reload(), [changes]);
  if (error?.missing) return <Empty title="This server does not record requests" />;
  if (error && !value) return <Trouble error={error} what="The requests" />;
  if (!value) return <Loading />;
  if (value.items.length === 0) {
    return (
      <Empty title="No HTTP requests">
        <p>Its attempts sent none.</p>
      </Empty>
    );
  }
  return (
    <ol class="requests" aria-label="HTTP requests">
      {value.items.map((item, index) => (
        <Request key={index} item={item} />
      ))}
    </ol>
  );
}

function Request({ item }: { item: JsonObject }): JSX.Element {
  const status = item["status"];
  const failed = typeof status !== "number" || status >= 400;
  return (
    <li>
      <details>
        <summary>
          <Shape tone={failed ? "bad" : "ok"} />
          <span class="number">attempt {text(item["attempt"] ?? item["run"])}</span>
          <b>{text(item["method"])}</b>
          <code class="request-url">{text(item["url"] ?? item["uri"])}</code>
          <span class="number">{typeof status === "number" ? status : text(item["error"] ?? "no answer")}</span>
          <span class="number">{length(item)}</span>
          <time>{typeof item["at"] === "string" ? clockTime(micros(item["at"])) : ""}</time>
        </summary>
        <JsonText value={item} label="the request as JSON" />
      </details>
    </li>
  );
}

function text(value: Json | undefined): string {
  return value === undefined || value === null ? "–" : String(value);
}

function length(item: JsonObject): string {
  if (typeof item["duration"] === "number") return duration(item["duration"]);
  const [from, to] = [item["at"], item["ended_at"]];
  return typeof from === "string" && typeof to === "string" ? duration(micros(to) - micros(from)) : "";
}
