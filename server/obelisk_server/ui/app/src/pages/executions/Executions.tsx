/** Page: what ran, what runs, what waits. */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Command, Duration, Empty, FunctionName, Id, Loading, Time, Trouble } from "../../look/parts.tsx";
import { Rows, toggled } from "../../look/rows.tsx";
import { Shape, StateMark, type Tone, stateOf } from "../../look/states.tsx";
import { nowMicros } from "../../look/time.ts";
import { executionPath, Link, navigate, setQuery, usePlace } from "../../router.tsx";
import type { JsonObject } from "../../values/json.ts";
import { get } from "../../wire/client.ts";
import { useFeed, useLoad, useThrottled } from "../../wire/hooks.ts";
import { may } from "../../wire/rights.ts";
import type { Summary } from "../../wire/shapes.ts";
import { Bulk } from "./Bulk.tsx";
import { permittedVerbs } from "./bulk.ts";
import {
  type Counts,
  type Field,
  type Filters,
  STATES,
  countsOf,
  filtersOf,
  instantOf,
  localOf,
  narrowed,
  narrowedWithin,
} from "./filters.ts";
import { type List, useList } from "./list.ts";
import { ITEMS_MAX } from "./listing.ts";
import { Spark } from "./Spark.tsx";
import { waitOf } from "./wait.ts";
import "./executions.css";

const ROW_PX = 40;
const NARROW_ROW_PX = 64;
const NARROW = window.matchMedia("(max-width: 720px)");
const COUNTS_MS = 2_000;
/** All else than the rows waits until they are on the screen: server and browser share the processors of a small machine. */
const REST_AFTER_MS = 150;

export function Executions(): JSX.Element {
  const filters = filtersOf(usePlace().query);
  const list = useList(filters);
  const rest = useAfter(list.loaded || list.error !== undefined, REST_AFTER_MS);
  const counts = useLoad(rest && may("count-executions") ? `counts ${filters.children}` : null, (signal) =>
    get<JsonObject>(`/v1/executions/counts${filters.children ? "?children=true" : ""}`, signal),
  );
  const recount = useThrottled(counts.reload, COUNTS_MS, COUNTS_MS / 2);
  const stream = filters.children ? "/v1/stream?children=true" : "/v1/stream";
  useFeed(rest ? stream : null, ({ name, data }) => {
    recount();
    if (name === "execution") list.put(data as unknown as Summary);
    list.freshen();
  });
  return (
    <div class="page page-list">
      <header class="page-head">
        <h1>Executions</h1>
        {rest && may("throughput") && <Spark />}
      </header>
      <StateFilter filters={filters} counts={counts.value ? countsOf(counts.value) : undefined} />
      <FieldFilters filters={filters} />
      {list.error && <Trouble error={list.error} what="The list" />}
      {!list.loaded && !list.error && <Loading />}
      {list.loaded && list.items.length === 0 && (narrowed(filters) ? <NoMatch /> : <Newcomer />)}
      {list.items.length > 0 && <Table list={list} filters={filters} />}
    </div>
  );
}

/** Whether something has been so, and a while has passed since. */
function useAfter(so: boolean, milliseconds: number): boolean {
  const [passed, setPassed] = useState(false);
  useEffect(() => {
    if (!so || passed) return;
    const timer = setTimeout(() => setPassed(true), milliseconds);
    return () => clearTimeout(timer);
  }, [so]);
  return passed;
}

const TONES: Record<string, Tone> = {
  pending: "idle",
  running: "run",
  waiting: "wait",
  paused: "hold",
  ok: "ok",
  err: "err",
  failed: "bad",
};

function StateFilter({ filters, counts }: { filters: Filters; counts: Counts | undefined }): JSX.Element {
  // they are of all executions; hidden, they keep their room, so that nothing moves
  const count = narrowedWithin(filters) ? "number count unseen" : "number count";
  return (
    <div class="chips" role="group" aria-label="State">
      {["", ...Object.keys(STATES)].map((word) => (
        <button
          key={word}
          type="button"
          class="chip"
          aria-pressed={filters.state === word}
          onClick={() => setQuery({ state: word })}
        >
          {word && <Shape tone={TONES[word]!} />}
          {word || "all"}
          {word && counts && <span class={count}>{(counts[word] ?? 0).toLocaleString("en")}</span>}
        </button>
      ))}
    </div>
  );
}

const LABELS: Record<Field, { label: string; hint: string; type?: string }> = {
  function: { label: "Function begins with", hint: "shop:orders/" },
  text: { label: "Text in parameters or result", hint: "" },
  id: { label: "Id begins with", hint: "E_01M7" },
  tag: { label: "Tags", hint: "user=ann" },
  digest: { label: "Component digest", hint: "sha256:" },
  since: { label: "Created since", hint: "", type: "datetime-local" },
  before: { label: "Created before", hint: "", type: "datetime-local" },
};
const ALWAYS: Field[] = ["function", "text"];
const TYPING_MS = 250;

function FieldFilters({ filters }: { filters: Filters }): JSX.Element {
  const others = (Object.keys(LABELS) as Field[]).filter((name) => !ALWAYS.includes(name));
  const [open, setOpen] = useState(others.some((name) => filters[name] !== ""));
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      {[...ALWAYS, ...(open ? others : [])].map((name) => (
        <FilterField key={name} name={name} value={filters[name]} />
      ))}
      <label class="check">
        <input
          type="checkbox"
          checked={filters.children}
          onChange={(event) => setQuery({ children: event.currentTarget.checked ? "yes" : null })}
        />
        children too
      </label>
      <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? "fewer filters" : "more filters"}
      </button>
      {narrowed(filters) && (
        <button type="button" class="quiet" onClick={() => navigate("/executions")}>
          clear
        </button>
      )}
    </form>
  );
}

function FilterField({ name, value }: { name: Field; value: string }): JSX.Element {
  const { label, hint, type = "search" } = LABELS[name];
  const timed = type === "datetime-local";
  const given = timed ? localOf(value) : value;
  const [text, setText] = useState(given);
  const sent = useRef(given);
  useLayoutEffect(() => {
    if (given === sent.current) return; // what is typed comes back by the address; meanwhile more may have been typed
    sent.current = given;
    setText(given);
  }, [given]);
  useEffect(() => {
    if (text.trim() === sent.current) return; // a space at the end is being typed
    const timer = setTimeout(() => {
      sent.current = text.trim();
      setQuery({ [name]: timed ? instantOf(text) : text.trim() });
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type={type}
        value={text}
        placeholder={hint}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </label>
  );
}

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const update = (): void => setNarrow(NARROW.matches);
    NARROW.addEventListener("change", update);
    return () => NARROW.removeEventListener("change", update);
  }, []);
  return narrow;
}

function Table({ list, filters }: { list: List; filters: Filters }): JSX.Element {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const narrow = useNarrow();
  const toggle = (id: string): void => setChosen((old) => toggled(old, id));
  const all = chosen.size > 0 && chosen.size === list.items.length;
  const done = (): void => {
    setChosen(new Set());
    list.freshen();
  };
  return (
    <>
      {chosen.size > 0 && (
        <Bulk chosen={[...chosen]} filters={filters} onDone={done} onClear={() => setChosen(new Set())} />
      )}
      <div class="table panel">
        <div class="row head">
          <Choose
            label="choose all that are loaded"
            chosen={all}
            onChoose={() => setChosen(all ? new Set() : new Set(list.items.map((item) => item.id)))}
          />
          <span>State</span>
          <span>Function</span>
          <span>Waits for</span>
          <span>Id</span>
          <span>Created</span>
          <span class="number">Duration</span>
          <span class="number">Events</span>
        </div>
        <Rows
          label="Executions"
          count={list.items.length}
          height={narrow ? NARROW_ROW_PX : ROW_PX}
          onEnd={list.more}
          row={(index) => {
            const item = list.items[index]!;
            return <Row key={item.id} item={item} chosen={chosen.has(item.id)} onChoose={() => toggle(item.id)} />;
          }}
        />
      </div>
      {list.items.length >= ITEMS_MAX && (
        <p class="none">The latest {ITEMS_MAX.toLocaleString("en")} are listed. Narrow the filter to see older ones.</p>
      )}
    </>
  );
}

/** Nothing where there is nothing that could be done. */
function Choose({ label, chosen, onChoose }: { label: string; chosen: boolean; onChoose: () => void }): JSX.Element {
  if (permittedVerbs().length === 0) return <span />;
  return (
    <label class="choose">
      <input type="checkbox" checked={chosen} onChange={onChoose} aria-label={label} />
    </label>
  );
}

function Row({ item, chosen, onChoose }: { item: Summary; chosen: boolean; onChoose: () => void }): JSX.Element {
  const started = item.status !== "pending" || item.attempts > 0;
  return (
    <div class="row" role="listitem">
      <Choose label={`choose ${item.id}`} chosen={chosen} onChoose={onChoose} />
      <StateMark state={stateOf(item)} />
      <Link to={executionPath(item.id)} class="row-main">
        <FunctionName name={item.function} />
      </Link>
      <span class="row-wait">
        <Wait item={item} />
      </span>
      <Id id={item.id} link={false} />
      <Time at={item.created_at} />
      <span class="number">{started ? <Duration from={item.created_at} to={item.finished_at} /> : "–"}</span>
      <span class="number row-events">{item.events}</span>
    </div>
  );
}

function Wait({ item }: { item: Summary }): JSX.Element | null {
  const wait = waitOf(item, nowMicros());
  if (wait === null) return null;
  return "until" in wait ? <Time at={wait.until} /> : <>{wait.text}</>;
}

function NoMatch(): JSX.Element {
  return (
    <Empty title="Nothing matches">
      <p>No execution fits all of these filters.</p>
      <button type="button" onClick={() => navigate("/executions")}>
        Clear the filters
      </button>
    </Empty>
  );
}

function Newcomer(): JSX.Element {
  return (
    <Empty title="Nothing has run yet">
      <p>
        Run a function here: <Link to="/submit">submit an execution</Link>. Or type this, with a function that{" "}
        <Link to="/components">a deployed component</Link> exports:
      </p>
      <Command
        label="command"
        text={"obelisk function list\nobelisk execution submit FUNCTION '[PARAMETERS]' --follow"}
      />
    </Empty>
  );
}
