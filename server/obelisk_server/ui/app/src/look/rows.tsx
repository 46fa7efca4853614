/** A list of any length, of which only what is visible is in the document. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Heights } from "./windowing.ts";

/** Rows beyond what is visible, so that scrolling never shows a gap; the first picture goes without. */
const OVERSCAN = 8;
/** Of the height of the window, until the list has been measured. */
const VIEW_GUESS = 0.75;

type RowsProps = {
  count: number;
  height: number;
  /** Renders row `index`; its key must be of the thing, not of the place. */
  row: (index: number) => ComponentChildren;
  /** The rows that are open, and higher than the others. */
  opened?: ReadonlySet<number>;
  label: string;
  class?: string;
  /** Stay at the end when rows are added, unless somebody scrolled away from it. */
  follow?: boolean;
  /** Scrolls there when it changes. */
  reveal?: number | null;
  onEnd?: () => void;
  role?: "list" | "table" | "grid";
};

export function Rows(props: RowsProps): JSX.Element {
  const { count, height, row, opened, follow = false, reveal = null, onEnd, role = "list" } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: VIEW_GUESS * window.innerHeight });
  const [drawn, setDrawn] = useState(false);
  const [measured, setMeasured] = useState<ReadonlyMap<number, number>>(new Map());
  const heights = useMemo(
    () =>
      new Heights(
        count,
        height,
        [...measured].filter(([index]) => opened?.has(index)),
      ),
    [count, height, measured, opened],
  );
  useLayoutEffect(() => {
    const element = box.current!;
    const update = (): void => {
      const { scrollTop: top, clientHeight: height } = element;
      setView((old) => (old.top === top && old.height === height ? old : { top, height }));
    };
    const observer = new ResizeObserver(update);
    observer.observe(element);
    element.addEventListener("scroll", update, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", update);
    };
  }, []);
  useLayoutEffect(() => {
    if (follow) box.current!.scrollTop = box.current!.scrollHeight;
  }, [follow, count]);
  useLayoutEffect(() => {
    if (reveal === null) return;
    const element = box.current!;
    const [top, bottom] = [heights.top(reveal), heights.top(reveal + 1)];
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
  }, [reveal]);
  useEffect(() => setDrawn(true), []);
  const shown = heights.window(view.top, view.height, drawn ? OVERSCAN : 0);
  useEffect(() => {
    if (onEnd && shown.last >= count) onEnd();
  }, [shown.last, count, onEnd]);
  const measure = (index: number, found: number): void =>
    setMeasured((old) => (Math.abs((old.get(index) ?? 0) - found) < 1 ? old : new Map(old).set(index, found)));
  const indexes = Array.from({ length: shown.last - shown.first }, (_, offset) => shown.first + offset);
  return (
    <div class={`rows ${props.class ?? ""}`} ref={box} tabIndex={0} role="region" aria-label={props.label}>
      <div class="rows-all" style={{ height: `${shown.total}px` }}>
        <div class="rows-shown" role={role} style={{ transform: `translateY(${shown.before}px)` }}>
          {indexes.map((index) =>
            opened?.has(index) ? (
              <Measured key={`open-${index}`} index={index} onHeight={measure}>
                {row(index)}
              </Measured>
            ) : (
              row(index)
            ),
          )}
        </div>
      </div>
    </div>
  );
}

/** A set of rows with one more, or one less. */
export function toggled(rows: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(rows);
  if (!next.delete(key)) next.add(key);
  return next;
}

type MeasuredProps = { index: number; onHeight: (index: number, height: number) => void; children: ComponentChildren };

function Measured({ index, onHeight, children }: MeasuredProps): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => onHeight(index, element.current!.offsetHeight));
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, [index]);
  return <div ref={element}>{children}</div>;
}
