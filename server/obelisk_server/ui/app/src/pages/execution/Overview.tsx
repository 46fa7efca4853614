/** What it was given, what came of it, and why it does not run. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Card, ComponentLink, Digest, Id, Loading, Moment, Time } from "../../look/parts.tsx";
import { Shape, stateOfResult } from "../../look/states.tsx";
import { JsonText, Value } from "../../look/value.tsx";
import { Link, executionPath } from "../../router.tsx";
import type { Json } from "../../values/json.ts";
import { type FunctionType, printType } from "../../values/types.ts";
import { get, path } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import type { Execution, Failure, LogEvent, Outcome, Why } from "../../wire/shapes.ts";
import { outcomeText, shortened } from "./history.ts";
import type { Loaded } from "./store.ts";

type OverviewProps = { loaded: Loaded; type: FunctionType | undefined; component: string | null | undefined };

export function Overview({ loaded, type, component }: OverviewProps): JSX.Element {
  const { execution, events } = loaded;
  if (!execution) return <Loading />;
  const failed = events.filter((event) => event.event.startsWith("attempt-"));
  return (
    <div class="overview">
      <div class="stack">
        {execution.status !== "finished" && <WhyCard id={loaded.id} changes={loaded.changes} />}
        <Parameters params={execution.params} type={type} />
        <Result result={execution.result} type={type} />
        {failed.length > 0 && <Attempts id={loaded.id} events={failed} />}
      </div>
      <Facts execution={execution} component={component} />
    </div>
  );
}

function Switchable({ title, json, children }: { title: string; json: Json; children: JSX.Element }): JSX.Element {
  const [raw, setRaw] = useState(false);
  const toggle = (
    <button type="button" class="quiet" aria-pressed={raw} onClick={() => setRaw(!raw)}>
      JSON
    </button>
  );
  return (
    <Card title={title} extra={toggle}>
      {raw ? <JsonText value={json} label={`${title} as JSON`} /> : children}
    </Card>
  );
}

function Parameters({ params, type }: { params: Json[]; type: FunctionType | undefined }): JSX.Element {
  const named = params.map((value, index) => ({ value, param: type?.params[index] }));
  return (
    <Switchable title="Parameters" json={params}>
      {params.length === 0 ? (
        <p class="none">It takes none.</p>
      ) : (
        <dl class="fields">
          {named.map(({ value, param }, index) => (
            <div key={index}>
              <dt title={param && printType(param.type)}>{param?.name ?? index}</dt>
              <dd>
                <Value type={param?.type ?? null} value={value} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Switchable>
  );
}

function Result({ result, type }: { result: Outcome | undefined; type: FunctionType | undefined }): JSX.Element {
  if (result === undefined) {
    return (
      <Card title="Result">
        <p class="none">Not yet.</p>
      </Card>
    );
  }
  if (result.failure) return <FailureCard failure={result.failure} />;
  const name = "err" in result ? "err" : "ok";
  const declared = type?.result?.kind === "result" ? type.result[name] : null;
  return (
    <Switchable title="Result" json={result as Json}>
      <p class="chosen">
        <code class={`tag tone-${stateOfResult(result).tone}`}>{name}</code>{" "}
        {(result[name] ?? null) !== null && <Value type={declared} value={result[name] ?? null} />}
      </p>
    </Switchable>
  );
}

function FailureCard({ failure }: { failure: Failure }): JSX.Element {
  return (
    <Card title="Failure">
      <p class="failure">
        <Shape tone="bad" /> <strong>{failure.kind}</strong>
      </p>
      <pre class="text">{failure.reason}</pre>
      {failure.backtrace && failure.backtrace.length > 0 && <Backtrace frames={failure.backtrace} />}
    </Card>
  );
}

export function Backtrace({ frames, open = true }: { frames: string[]; open?: boolean }): JSX.Element {
  return (
    <details open={open}>
      <summary>WebAssembly backtrace, {frames.length} frames</summary>
      <ol class="backtrace">
        {frames.map((frame, index) => (
          <li key={index}>
            <code>{frame}</code>
          </li>
        ))}
      </ol>
    </details>
  );
}

/** Of more attempts the event log tells. */
const ATTEMPTS_SHOWN = 20;

/** The latest attempts that did not end it. */
function Attempts({ id, events }: { id: string; events: LogEvent[] }): JSX.Element {
  const earlier = Math.max(0, events.length - ATTEMPTS_SHOWN);
  return (
    <Card title="Failed attempts">
      {earlier > 0 && (
        <p class="none">
          {earlier} more before these, in the <Link to={executionPath(id, "events")}>event log</Link>
        </p>
      )}
      <ol class="attempts">
        {events.slice(earlier).map((event) => {
          const outcome = event["outcome"] as Outcome | undefined;
          return (
            <li key={event.version}>
              <Moment at={event.at} /> <b>{event.event.replace("attempt-", "")}</b>{" "}
              {outcome ? shortened(outcomeText(outcome)) : String(event["reason"] ?? "")}{" "}
              <span class="none">next </span>
              <Moment at={String(event["due"])} />
              {outcome?.failure?.backtrace?.length ? (
                <Backtrace frames={outcome.failure.backtrace} open={event === events.at(-1)} />
              ) : null}
            </li>
          );
        })}
      </ol>
    </Card>
  );
}

function WhyCard({ id, changes }: { id: string; changes: number }): JSX.Element {
  const { value, error } = useLoad(id, (signal) => get<Why>(path("executions", id) + "/why", signal), changes);
  return (
    <Card title={value?.because === "running" ? "Now" : "Why it does not run"}>
      {error && !value ? <p class="none">{error.message}</p> : null}
      {value && (
        <>
          <p>
            <strong>{value.because}</strong>: {value.text}
            {value.until && (
              <>
                , <Time at={value.until} />
              </>
            )}
          </p>
          {value.waits_for.length > 0 && (
            <ul class="plain">
              {value.waits_for.map((waited) => (
                <li key={waited}>
                  <Id id={waited} />
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </Card>
  );
}

function Facts({ execution, component }: { execution: Execution; component: string | null | undefined }): JSX.Element {
  const facts: [string, JSX.Element | string | number | null][] = [
    ["kind", execution.kind],
    ["created", <Moment at={execution.created_at} />],
    ["finished", execution.finished_at ? <Moment at={execution.finished_at} /> : null],
    ["due", execution.due && execution.status === "pending" ? <Moment at={execution.due} /> : null],
    ["deadline", execution.deadline ? <Moment at={execution.deadline} /> : null],
    ["component", component ? <ComponentLink name={component} /> : null],
    ["version", execution.digest ? <Digest digest={execution.digest} /> : null],
    ["parent", execution.parent ? <Id id={execution.parent} /> : null],
    ["executor", execution.executor ? <Id id={execution.executor} link={false} /> : null],
    ["waits for", execution.join_set ? `${execution.join_set} (${execution.remaining} open)` : null],
    ["attempts", execution.attempts],
    ["failed", execution.failures || null],
    ["lost", execution.losses || null],
    ["events", execution.events],
    ["responses", execution.responses],
  ];
  const tags = Object.entries(execution.tags);
  return (
    <Card title="Facts">
      <dl class="facts">
        {facts.map(
          ([name, value]) =>
            value !== null && (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
        {tags.length > 0 && (
          <div>
            <dt>tags</dt>
            <dd>
              {tags.map(([key, value]) => (
                <code key={key} class="tag">
                  {key}={value}
                </code>
              ))}
            </dd>
          </div>
        )}
      </dl>
    </Card>
  );
}
