/** Page: whether the server is well: queues, latencies, what is in memory, the store, and what failed. */

import type { ComponentChildren, JSX } from "preact";
import { Card, FunctionName, Id, Loading, NotPermitted, Time, Trouble } from "../../look/parts.tsx";
import { Shape, outcomeState } from "../../look/states.tsx";
import { duration } from "../../look/time.ts";
import { Link } from "../../router.tsx";
import { usePolled } from "../../wire/hooks.ts";
import { may } from "../../wire/rights.ts";
import type { FailureGroup, Health, Latency } from "../../wire/shapes.ts";
import { size } from "../../look/size.ts";
import "./health.css";

const EVERY_MS = 2_000;

export function HealthPage(): JSX.Element {
  if (!may("health")) return <NotPermitted what="see the whole server" scope="read, not limited to functions" />;
  return <Watched />;
}

function Watched(): JSX.Element {
  const { value, error } = usePolled<Health>("/v1/health", EVERY_MS);
  const trouble = error?.message ?? value?.trouble ?? (value && !value.ready ? "starting or stopping" : null);
  return (
    <div class="page page-health">
      <header class="page-head">
        <h1>Health</h1>
        {(value || error) && (
          <p class={trouble ? "state tone-bad" : "state tone-ok"} role="status">
            <Shape tone={trouble ? "bad" : "ok"} /> {trouble ?? "ready"}
          </p>
        )}
      </header>
      {error && !value && <Trouble error={error} what="The figures" />}
      {!value && !error && <Loading />}
      {value && <Figures health={value} />}
    </div>
  );
}

function Figures({ health }: { health: Health }): JSX.Element {
  const { queue, memory, latencies } = health;
  return (
    <>
      <div class="figures">
        <Figure title="Queue" value={`${count(queue.due)}${queue.more ? "+" : ""}`} unit="wait for their turn">
          <Fact name="oldest waits" value={queue.due ? duration(queue.oldest_seconds * 1e6) : "–"} />
        </Figure>
        <Figure title="Workflows in memory" value={count(memory.workflows)} unit={size(memory.workflow_bytes)}>
          <Gauge name="workflows in memory" part={memory.workflows} whole={memory.workflows_max} />
          <Fact name="replays since the start" value={count(health.replays)} />
        </Figure>
        <Figure title="Attempts now" value={count(memory.activities)} unit="of activities">
          <Gauge name="attempts" part={memory.activities} whole={memory.activities_max} />
          {Object.entries(health.attempts).map(([how, number]) => (
            <Fact key={how} name={`ended ${how}`} value={count(number)} />
          ))}
        </Figure>
        <Figure title="Store" value={count(health.writes)} unit="writes since the start">
          <Fact name="commits" value={count(latencies.commit.count)} />
          <Fact name="writes for each commit" value={ratio(health.writes, latencies.commit.count)} />
        </Figure>
      </div>
      <Latencies
        rows={[
          ["lock to start", latencies.start],
          ["commit", latencies.commit],
          ["read", latencies.read],
        ]}
      />
      <Failures groups={health.failures} />
    </>
  );
}

type FigureProps = { title: string; value: string; unit: string; children: ComponentChildren };

function Figure({ title, value, unit, children }: FigureProps): JSX.Element {
  return (
    <Card title={title}>
      <p class="figure">
        <strong class="number">{value}</strong> {unit}
      </p>
      <dl class="facts">{children}</dl>
    </Card>
  );
}

function Fact({ name, value }: { name: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="number">{value}</dd>
    </div>
  );
}

function Gauge({ name, part, whole }: { name: string; part: number; whole: number }): JSX.Element {
  return (
    <div>
      <dt>limit</dt>
      <dd class="number gauge">
        <meter aria-label={name} min={0} max={whole} high={whole * 0.8} value={part} /> {count(whole)}
      </dd>
    </div>
  );
}

function Latencies({ rows }: { rows: [string, Latency][] }): JSX.Element {
  return (
    <Card title="Latencies since the start">
      <table>
        <thead>
          <tr>
            <th scope="col">what</th>
            {["count", "half below", "90 % below", "99 % below"].map((name) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, latency]) => (
            <tr key={name}>
              <td>{name}</td>
              <td class="number">{count(latency.count)}</td>
              {[latency.p50, latency.p90, latency.p99].map((seconds, index) => (
                <td key={index} class="number">
                  {seconds === null ? "–" : duration(seconds * 1e6)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

function Failures({ groups }: { groups: FailureGroup[] }): JSX.Element {
  return (
    <Card title="Recent failures by reason">
      {groups.length === 0 && <p class="none">None.</p>}
      <ul class="plain failures">
        {groups.map((group) => (
          <li key={`${group.function} ${group.result} ${group.reason}`}>
            <Shape tone={outcomeState(group.result).tone} />
            <Link
              class="number"
              to={`/executions?${new URLSearchParams({ function: group.function, state: stateOf(group), children: "yes" })}`}
            >
              {group.count} ×
            </Link>
            <strong>{group.result}</strong>
            <FunctionName name={group.function} />
            <span class="failure-reason">{group.reason}</span>
            <span>
              latest <Id id={group.latest_id} /> <Time at={group.latest_at} />
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** As the list of executions is filtered by. */
function stateOf(group: FailureGroup): string {
  return group.result === "err" ? "err" : "failed";
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function ratio(part: number, whole: number): string {
  return whole ? (part / whole).toFixed(1) : "–";
}
