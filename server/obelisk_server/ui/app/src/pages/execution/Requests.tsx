/** The HTTP requests that attempts made. */

import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { Empty, Loading, Trouble } from "../../look/parts.tsx";
import { Rows, toggled } from "../../look/rows.tsx";
import { size } from "../../look/size.ts";
import { Shape } from "../../look/states.tsx";
import { clockTime, duration, micros } from "../../look/time.ts";
import { type Refused, path } from "../../wire/client.ts";
import { useLoad } from "../../wire/hooks.ts";
import type { RequestMade } from "../../wire/shapes.ts";
import { Tail } from "./store.ts";

const ROW_PX = 36;
/** The first ones; all are in the store. */
const REQUESTS_MAX = 20_000;

export function Requests({ id, changes }: { id: string; changes: number }): JSX.Element {
  const { tail, loaded, error } = useRequests(id, changes);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const items = tail.items;
  const opened = useMemo(() => {
    const found = new Set<number>();
    if (open.size) items.forEach((item, index) => open.has(keyOf(item)) && found.add(index));
    return found;
  }, [items, open]);
  if (error && items.length === 0) return <Trouble error={error} what="The requests" />;
  if (!loaded && items.length === 0) return <Loading />;
  if (items.length === 0) {
    return (
      <Empty title="No HTTP requests">
        <p>Its attempts sent none.</p>
      </Empty>
    );
  }
  const row = (index: number): JSX.Element => {
    const item = items[index]!;
    const key = keyOf(item);
    const toggle = (): void => setOpen((old) => toggled(old, key));
    return <Request key={key} item={item} open={open.has(key)} onToggle={toggle} />;
  };
  return (
    <div class="log">
      <p class="number count" role="status">
        {tail.cut && "the first "}
        {items.length.toLocaleString("en")} {items.length === 1 ? "request" : "requests"}
      </p>
      <Rows
        label="HTTP requests"
        class="requests panel"
        count={items.length}
        height={ROW_PX}
        opened={opened}
        row={row}
      />
    </div>
  );
}

function keyOf(item: RequestMade): string {
  return String(item.cursor);
}

type Reading = { tail: Tail<RequestMade>; loaded: boolean; error: Refused | undefined };

/** What is there is shown while the rest is read. */
function useRequests(id: string, changes: number): Reading {
  const tail = useRef(new Tail<RequestMade>(`${path("executions", id)}/requests`, REQUESTS_MAX));
  const [, show] = useState(0);
  const read = async (signal: AbortSignal): Promise<boolean> => {
    await tail.current.grow(signal, () => show(tail.current.items.length));
    return true;
  };
  const { value, error } = useLoad(id, read, changes);
  return { tail: tail.current, loaded: value === true, error };
}

type RequestProps = { item: RequestMade; open: boolean; onToggle: () => void };

function Request({ item, open, onToggle }: RequestProps): JSX.Element {
  const tone = item.error || item.status === null ? "bad" : item.status >= 400 ? "err" : "ok";
  return (
    <div class="request" role="listitem">
      <button type="button" class="row-button request-row" aria-expanded={open} onClick={onToggle}>
        <Shape tone={tone} />
        <span class="number">attempt {item.run}</span>
        <b>{item.method}</b>
        <code class="request-url">{item.url}</code>
        <span class="number">{item.error ?? item.status}</span>
        <span class="number">{duration(item.duration * 1e6)}</span>
        {item.more && <span class="none">perhaps more</span>}
      </button>
      {open && <Facts item={item} />}
    </div>
  );
}

function Facts({ item }: { item: RequestMade }): JSX.Element {
  const facts: [string, string][] = [
    ["attempt", String(item.run)],
    ["began", clockTime(micros(item.at))],
    ["head after", item.head_after === null ? "never" : duration(item.head_after * 1e6)],
    ["sent", size(item.request_bytes)],
    ["received", size(item.response_bytes)],
    ["error", [item.error, item.detail].filter(Boolean).join(": ")],
  ];
  return (
    <div class="request-open">
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
      {item.more && <p class="none">The attempt may have made more; this was the last that is recorded.</p>}
    </div>
  );
}
