/** The execution and everything below it. Arrow keys move as in any tree. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Duration, FunctionName, Id, Trouble } from "../../look/parts.tsx";
import { StateMark, stateOf } from "../../look/states.tsx";
import { navigate, executionPath } from "../../router.tsx";
import { get, path, withQuery } from "../../wire/client.ts";
import { useLoad, useThrottled } from "../../wire/hooks.ts";
import { hasChildren, type Page, type Summary } from "../../wire/shapes.ts";
import type { Loaded } from "./store.ts";

const SIBLINGS = 100;
/** So often the children of one execution are read anew at most. */
const REFRESH_MS = 2_000;

export function Tree({ loaded }: { loaded: Loaded }): JSX.Element {
  const root = useRef<HTMLUListElement>(null);
  return (
    <ul
      class="tree panel"
      role="tree"
      aria-label="Tree of executions"
      ref={root}
      onKeyDown={(event) => steer(event, root.current!)}
    >
      {loaded.execution && <Node item={loaded.execution} level={1} changesBelow={loaded.changesBelow} open first />}
    </ul>
  );
}

type Below = Pick<Loaded, "changesBelow">;
type NodeProps = Below & { item: Summary; level: number; open?: boolean; first?: boolean };

function Node({ item, level, changesBelow, open: wasOpen = false, first = false }: NodeProps): JSX.Element {
  const [open, setOpen] = useState(wasOpen);
  const leaf = !hasChildren(item.kind);
  return (
    <li role="none">
      <div
        class="tree-row"
        role="treeitem"
        aria-level={level}
        aria-expanded={leaf ? undefined : open}
        aria-selected={false}
        tabIndex={first ? 0 : -1}
        data-id={item.id}
        style={{ "--level": String(level - 1) }}
        onClick={(event) => {
          if (!(event.target as Element).closest("a, button") && !leaf) setOpen(!open);
        }}
      >
        <span class="twist" aria-hidden="true">
          {leaf ? "" : open ? "▾" : "▸"}
        </span>
        <StateMark state={stateOf(item)} />
        <FunctionName name={item.function} />
        <Id id={item.id} link={level > 1} />
        <Duration from={item.created_at} to={item.finished_at} />
      </div>
      {open && !leaf && <Children parent={item.id} level={level + 1} changesBelow={changesBelow} />}
    </li>
  );
}

/** Follows a number that grows, but not at each step. */
function useCalmed(changes: number): number {
  const [calm, setCalm] = useState(changes);
  const latest = useRef(changes);
  latest.current = changes;
  const follow = useThrottled(() => setCalm(latest.current), REFRESH_MS);
  useEffect(follow, [changes]);
  return calm;
}

function Children({ parent, level, changesBelow }: Below & { parent: string; level: number }): JSX.Element {
  const [shown, setShown] = useState(SIBLINGS);
  const changes = useCalmed(changesBelow(parent));
  // what is shown stays while more of it, or a newer state, is read: nodes below it are open
  const { value, error } = useLoad(parent, (signal) => siblings(parent, shown, signal), `${shown} ${changes}`);
  if (error && !value) return <Trouble error={error} what="The children" />;
  return (
    <ul role="group">
      {value?.items.map((item) => (
        <Node key={item.id} item={item} level={level} changesBelow={changesBelow} />
      ))}
      {value && value.items.length === 0 && (
        <li role="none" class="tree-none" style={{ "--level": String(level - 1) }}>
          no children
        </li>
      )}
      {value?.next_cursor && (
        <li role="none">
          <button type="button" class="quiet" onClick={() => setShown(shown + 5 * SIBLINGS)}>
            more
          </button>
        </li>
      )}
    </ul>
  );
}

/** In the order of their creation. */
async function siblings(parent: string, count: number, signal: AbortSignal): Promise<Page<Summary>> {
  const found: Summary[] = [];
  let cursor: string | null = null;
  do {
    const limit = Math.min(count - found.length, 1_000);
    const page: Page<Summary> = await get(
      withQuery(`${path("executions", parent)}/children`, { cursor, limit }),
      signal,
    );
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null && found.length < count);
  return { items: found, next_cursor: cursor };
}

function steer(event: KeyboardEvent, root: HTMLElement): void {
  const rows = [...root.querySelectorAll<HTMLElement>(".tree-row")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  const row = rows[at]!;
  const expanded = row.getAttribute("aria-expanded");
  const level = Number(row.getAttribute("aria-level"));
  const go = (to: HTMLElement | undefined): void => {
    if (!to) return;
    for (const each of rows) each.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  };
  switch (event.key) {
    case "ArrowDown":
      go(rows[at + 1]);
      break;
    case "ArrowUp":
      go(rows[at - 1]);
      break;
    case "Home":
      go(rows[0]);
      break;
    case "End":
      go(rows.at(-1));
      break;
    case "ArrowRight":
      if (expanded === "false") row.click();
      else if (expanded === "true") go(rows[at + 1]);
      break;
    case "ArrowLeft":
      if (expanded === "true") row.click();
      else go(rows.slice(0, at).findLast((other) => Number(other.getAttribute("aria-level")) < level));
      break;
    case "Enter":
      navigate(executionPath(row.dataset["id"]!));
      break;
    default:
      return;
  }
  event.preventDefault();
}
