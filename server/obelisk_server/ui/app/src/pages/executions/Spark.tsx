/** How many executions finished in each interval of the last while. */

import type { JSX } from "preact";
import type { JsonObject } from "../../values/json.ts";
import { get } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import { useEffect } from "preact/hooks";

const EVERY_MS = 5_000;
const WIDTH = 160;
const HEIGHT = 28;

type Throughput = { seconds: number; finished: number[] };

export function throughputOf(answer: JsonObject): Throughput {
  const seconds = Number(answer["interval_seconds"] ?? 1);
  const items = Array.isArray(answer["items"]) ? answer["items"] : [];
  const finished = items.map((item) => Number(typeof item === "object" ? (item as JsonObject)["finished"] : item));
  return { seconds, finished };
}

/** Points of a line in a box, the newest at the right. */
export function points(values: number[], width: number, height: number): string {
  const highest = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  const y = (value: number): string => (height - 1 - (value / highest) * (height - 3)).toFixed(1);
  return values.map((value, index) => `${(index * step).toFixed(1)},${y(value)}`).join(" ");
}

export function Spark(): JSX.Element | null {
  const { value, reload } = useLoad("throughput", (signal) => get<JsonObject>("/v1/throughput", signal));
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && reload(), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  if (!value) return null;
  const { seconds, finished } = throughputOf(value);
  const recent = finished.slice(-10);
  const rate = recent.reduce((sum, count) => sum + count, 0) / Math.max(1, recent.length * seconds);
  const line = points(finished, WIDTH, HEIGHT);
  const label = `${rate < 10 ? rate.toFixed(1) : rate.toFixed(0)} finished a second`;
  return (
    <figure class="spark">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Throughput: ${label}`}>
        <polygon points={`0,${HEIGHT} ${line} ${WIDTH},${HEIGHT}`} />
        <polyline points={line} />
      </svg>
      <figcaption>{label}</figcaption>
    </figure>
  );
}
