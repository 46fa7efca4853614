/** The event log with what children and delays answered between, join sets in colour, every row to be opened. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { JsonText } from "../../look/value.tsx";
import { Rows, toggled } from "../../look/rows.tsx";
import { duration, micros } from "../../look/time.ts";
import { Link, executionPath } from "../../router.tsx";
import type { JsonObject } from "../../values/json.ts";
import type { LogEvent, Response } from "../../wire/shapes.ts";
import { eventText, hueOf, joinSetOf, responseText, shortened } from "./history.ts";
import type { Loaded } from "./store.ts";
import "./log.css";

const ROW_PX = 32;

type Entry = { event: LogEvent } | { response: Response };

/** By time; a response after the event of the same moment. */
function interleaved(events: LogEvent[], responses: Response[]): Entry[] {
  const entries: Entry[] = [];
  let next = 0;
  for (const event of events) {
    for (; next < responses.length && responses[next]!.at < event.at; next += 1)
      entries.push({ response: responses[next]! });
    entries.push({ event });
  }
  for (; next < responses.length; next += 1) entries.push({ response: responses[next]! });
  return entries;
}

function textOf(entry: Entry): string {
  if ("event" in entry)
    return `${entry.event.event} ${String(entry.event["join_set"] ?? "")} ${eventText(entry.event)}`;
  return `${entry.response.response} ${joinSetOf(entry.response.id)} ${entry.response.id} ${responseText(entry.response)}`;
}

function keyOf(entry: Entry): string {
  return "event" in entry ? `v${entry.event.version}` : `r${entry.response.position}`;
}

export function Events({ loaded }: { loaded: Loaded }): JSX.Element {
  const { events, responses, execution, id } = loaded;
  const [text, setText] = useState("");
  const [answers, setAnswers] = useState(true);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const entries = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    const all = interleaved(events, answers ? responses : []);
    return wanted ? all.filter((entry) => textOf(entry).toLowerCase().includes(wanted)) : all;
  }, [events, responses, answers, text]);
  const opened = useMemo(() => {
    const found = new Set<number>();
    if (open.size) entries.forEach((entry, index) => open.has(keyOf(entry)) && found.add(index));
    return found;
  }, [entries, open]);
  const toggle = (key: string): void => setOpen((old) => toggled(old, key));
  const zero = execution ? micros(execution.created_at) : 0;
  return (
    <div class="log">
      <div class="filters">
        <label class="field">
          <span>Find in the log</span>
          <input type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input type="checkbox" checked={answers} onChange={(event) => setAnswers(event.currentTarget.checked)} />{" "}
          responses
        </label>
        <span class="number count" role="status">
          {entries.length.toLocaleString("en")} {text ? "found" : "entries"}
        </span>
      </div>
      <Rows
        label="Event log"
        class="entries panel"
        count={entries.length}
        height={ROW_PX}
        opened={opened}
        row={(index) => {
          const entry = entries[index]!;
          const key = keyOf(entry);
          return (
            <EntryRow key={key} entry={entry} zero={zero} id={id} open={open.has(key)} onToggle={() => toggle(key)} />
          );
        }}
      />
    </div>
  );
}

type EntryProps = { entry: Entry; zero: number; id: string; open: boolean; onToggle: () => void };

function EntryRow({ entry, zero, id, open, onToggle }: EntryProps): JSX.Element {
  const event = "event" in entry ? entry.event : null;
  const response = "response" in entry ? entry.response : null;
  const at = event?.at ?? response!.at;
  const joinSet = event ? event["join_set"] : joinSetOf(response!.id);
  const text = useMemo(
    () => shortened(event ? eventText(event) : responseText(response!)), // a long one is not printed at each render
    [event, response],
  );
  return (
    <div class={response ? "entry response" : `entry event-${event!.event}`} role="listitem">
      <button type="button" class="row-button entry-row" aria-expanded={open} onClick={onToggle}>
        <span class="number entry-place">{event ? event.version : `↩ ${response!.position}`}</span>
        <span class="number entry-time" title={at}>
          +{duration(micros(at) - zero)}
        </span>
        <span class="entry-name">{event?.event ?? response!.response}</span>
        {typeof joinSet === "string" && joinSet ? <JoinSetName name={joinSet} /> : <span />}
        <span class="entry-text">{text}</span>
      </button>
      {open && (
        <div class="entry-open">
          {response && <Answerer id={response.id} />}
          {event?.event === "child-submitted" && <Link to={executionPath(id, "tree")}>children in the tree</Link>}
          <JsonText value={(event ?? response) as JsonObject} label="the whole entry as JSON" />
        </div>
      )}
    </div>
  );
}

function Answerer({ id }: { id: string }): JSX.Element {
  return id.startsWith("E_") ? <Link to={executionPath(id)}>open {id}</Link> : <span>{id}</span>;
}

export function JoinSetName({ name }: { name: string }): JSX.Element {
  return (
    <span class="join-set" style={{ "--hue": String(hueOf(name)) }}>
      {name}
    </span>
  );
}
