/** What the guest wrote, as it comes. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Id, Trouble } from "../../look/parts.tsx";
import { Rows } from "../../look/rows.tsx";
import { clockTime, micros } from "../../look/time.ts";
import { Refused, get, path, withQuery } from "../../wire/client.ts";
import { pause, shown } from "../../wire/waiting.ts";
import type { LogRecord, TailPage } from "../../wire/shapes.ts";

const LEVELS = ["trace", "debug", "info", "warn", "error"];
const ROW_PX = 24;
const PAGE = 1_000;
const WAIT = "20s";
const AGAIN_MS = 2_000;
/** Older lines leave the page; they stay in the store. */
const LINES_MAX = 50_000;

export function Logs({ id }: { id: string }): JSX.Element {
  const [tree, setTree] = useState(false);
  const { records, error, complete } = useRecords(id, tree);
  const [least, setLeast] = useState("trace");
  const [follow, setFollow] = useState(true);
  const [text, setText] = useState("");
  const fitting = records.filter(
    (record) =>
      LEVELS.indexOf(record.level) >= LEVELS.indexOf(least) &&
      record.message.toLowerCase().includes(text.toLowerCase()),
  );
  return (
    <div class="log">
      <div class="filters">
        <label class="field">
          <span>Level at least</span>
          <select value={least} onChange={(event) => setLeast(event.currentTarget.value)}>
            {LEVELS.map((level) => (
              <option key={level}>{level}</option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>Find in the lines</span>
          <input type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <label class="check">
          <input type="checkbox" checked={follow} onChange={(event) => setFollow(event.currentTarget.checked)} /> follow
        </label>
        <label class="check">
          <input type="checkbox" checked={tree} onChange={(event) => setTree(event.currentTarget.checked)} /> children
          too
        </label>
        <span class="number count" role="status">
          {fitting.length.toLocaleString("en")} {fitting.length === 1 ? "line" : "lines"}
          {complete ? "" : ", waiting for more"}
        </span>
      </div>
      {error && <Trouble error={error} what="The log lines" />}
      {fitting.length === 0 && !error && (
        <p class="none pad">{records.length ? "No line fits." : complete ? "It wrote nothing." : "Nothing yet."}</p>
      )}
      {fitting.length > 0 && (
        <Rows
          label="Log lines"
          class="lines panel"
          count={fitting.length}
          height={ROW_PX}
          follow={follow}
          row={(index) => (
            <Line key={`${fitting[index]!.id} ${fitting[index]!.cursor}`} record={fitting[index]!} own={id} />
          )}
        />
      )}
    </div>
  );
}

function Line({ record, own }: { record: LogRecord; own: string }): JSX.Element {
  return (
    <div class={`line level-${record.level}`} role="listitem" title={record.message}>
      <time dateTime={record.at}>{clockTime(micros(record.at))}</time>
      <b>{record.level}</b>
      <span class="line-source">
        {record.source} {record.run > 1 ? `#${record.run}` : ""}
      </span>
      {record.id && record.id !== own && <Id id={record.id} />}
      <code>{record.message}</code>
    </div>
  );
}

type Records = { records: LogRecord[]; error: Refused | undefined; complete: boolean };

/** Asks again and again; each request waits on the server until there is something. */
function useRecords(id: string, tree: boolean): Records {
  const [state, setState] = useState<Records>({ records: [], error: undefined, complete: false });
  useEffect(() => {
    const aborted = new AbortController();
    let records: LogRecord[] = [];
    let cursor = 0;
    setState({ records, error: undefined, complete: false });
    const follow = async (): Promise<void> => {
      while (!aborted.signal.aborted) {
        try {
          await shown(aborted.signal);
          const url = withQuery(path("executions", id) + "/logs", { cursor, limit: PAGE, wait: WAIT, tree });
          const page = await get<TailPage<LogRecord>>(url, aborted.signal);
          cursor = page.next_cursor;
          if (page.items.length) records = [...records, ...page.items].slice(-LINES_MAX);
          setState({ records, error: undefined, complete: page.complete });
          if (page.complete) return;
        } catch (caught) {
          if (aborted.signal.aborted) return;
          setState({ records, error: caught instanceof Refused ? caught : undefined, complete: false });
          await pause(AGAIN_MS, aborted.signal);
        }
      }
    };
    void follow();
    return () => aborted.abort();
  }, [id, tree]);
  return state;
}
