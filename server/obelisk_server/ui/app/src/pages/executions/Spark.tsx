/** How many executions finished in each interval of the last while. */

import type { JSX } from "preact";
import { micros } from "../../look/time.ts";
import { usePolled } from "../../wire/hooks.ts";

const EVERY_MS = 5_000;
const WIDTH = 160;
const HEIGHT = 28;
const INTERVALS = 60;
/** The rate is that of so many intervals. */
const RECENT = 3;

/** What `/v1/throughput` answers: intervals in which nothing ended are left out. */
type Throughput = {
  now: string;
  interval_seconds: number;
  items: { at: string; ok: number; err: number; failed: number }[];
};

/** How many ended in each of the latest intervals, oldest first; the one that has just begun is left out. */
export function ended(answer: Throughput, count: number): number[] {
  const interval = answer.interval_seconds * 1_000_000;
  const current = Math.floor(micros(answer.now) / interval);
  const totals = new Map(
    answer.items.map((item) => [Math.floor(micros(item.at) / interval), item.ok + item.err + item.failed]),
  );
  return Array.from({ length: count }, (_, index) => totals.get(current - count + index) ?? 0);
}

/** Points of a line in a box, the newest at the right. */
export function points(values: number[], width: number, height: number): string {
  const highest = Math.max(1, ...values);
  const step = width / Math.max(1, values.length - 1);
  const y = (value: number): string => (height - 1 - (value / highest) * (height - 3)).toFixed(1);
  return values.map((value, index) => `${(index * step).toFixed(1)},${y(value)}`).join(" ");
}

export function Spark(): JSX.Element | null {
  const { value } = usePolled<Throughput>("/v1/throughput", EVERY_MS);
  if (!value) return null;
  const finished = ended(value, INTERVALS);
  const recent = finished.slice(-RECENT);
  const rate = recent.reduce((sum, count) => sum + count, 0) / (RECENT * value.interval_seconds);
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
