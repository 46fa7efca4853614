/** The HTTP requests that attempts made. */

import type { JSX } from "preact";
import { Empty, Loading, Trouble } from "../../look/parts.tsx";
import { Shape } from "../../look/states.tsx";
import { clockTime, duration, micros } from "../../look/time.ts";
import { get, path } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import type { RequestMade, TailPage } from "../../wire/shapes.ts";
import { size } from "../../look/size.ts";

const SHOWN = 1_000;

export function Requests({ id, changes }: { id: string; changes: number }): JSX.Element {
  const { value, error } = useLoad(
    id,
    (signal) => get<TailPage<RequestMade>>(`${path("executions", id)}/requests?limit=${SHOWN}`, signal),
    changes,
  );
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
    <ol class="requests panel" aria-label="HTTP requests">
      {value.items.map((item) => (
        <Request key={item.cursor} item={item} />
      ))}
    </ol>
  );
}

function Request({ item }: { item: RequestMade }): JSX.Element {
  const tone = item.error || item.status === null ? "bad" : item.status >= 400 ? "err" : "ok";
  const facts: [string, string][] = [
    ["attempt", String(item.run)],
    ["began", clockTime(micros(item.at))],
    ["head after", item.head_after === null ? "never" : duration(item.head_after * 1e6)],
    ["sent", size(item.request_bytes)],
    ["received", size(item.response_bytes)],
    ["error", [item.error, item.detail].filter(Boolean).join(": ")],
  ];
  return (
    <li>
      <details>
        <summary>
          <Shape tone={tone} />
          <span class="number">attempt {item.run}</span>
          <b>{item.method}</b>
          <code class="request-url">{item.url}</code>
          <span class="number">{item.error ?? item.status}</span>
          <span class="number">{duration(item.duration * 1e6)}</span>
        </summary>
        <dl class="facts">
          {facts.map(
            ([name, value]) =>
              value && (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ),
          )}
        </dl>
      </details>
      {item.more && <p class="none">The attempt may have made more; this was the last that is recorded.</p>}
    </li>
  );
}
