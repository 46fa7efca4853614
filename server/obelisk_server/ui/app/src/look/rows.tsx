/** A list of any length, of which only what is visible is in the document. */

import type { ComponentChildren, JSX, RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { Heights, type Key, type KeyAt, Place, type Window } from "./windowing.ts";

/** Rows beyond what is visible, so that scrolling never shows a gap; the first picture goes without. */
const OVERSCAN = 8;
/** All rows are drawn anew when fewer than these are left beyond what is visible. */
const OVERSCAN_MIN = 4;
/** Of the height of the window, until the list has been measured. */
const VIEW_GUESS = 0.75;

type RowsProps = {
  count: number;
  height: number;
  /** Renders row `index`; its key must be of the thing, not of the place. */
  row: (index: number) => JSX.Element;
  /** The rows that are open, and higher than the others. */
  opened?: ReadonlySet<number>;
  label: string;
  class?: string;
  /** Stay at the end when rows are added, unless somebody scrolled away from it. */
  follow?: boolean;
  /** Scrolls there when it changes. */
  reveal?: number | null;
  onEnd?: () => void;
};

export function Rows(props: RowsProps): JSX.Element {
  const { count, height, row, opened, follow = false, reveal = null, onEnd } = props;
  const box = useRef<HTMLDivElement>(null);
  const keyAt: KeyAt = (index) => row(index).key as Key;
  const [measured, setMeasured] = useState<ReadonlyMap<Key, number>>(new Map());
  const heights = useMemo(() => {
    const open = [...(opened ?? [])].filter((index) => index < count);
    return new Heights(
      count,
      height,
      open.map((index) => [index, measured.get(keyAt(index)) ?? height]),
    );
  }, [count, height, measured, opened]);
  const shown = useWindow(box, heights, keyAt, follow);
  useLayoutEffect(() => {
    if (reveal === null) return;
    const element = box.current!;
    const [top, bottom] = [heights.top(reveal), heights.top(reveal + 1)];
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
  }, [reveal]);
  useEffect(() => {
    if (onEnd && shown.last >= count) onEnd();
  }, [shown.last, count, onEnd]);
  const measure = (key: Key, found: number): void =>
    setMeasured((old) => (Math.abs((old.get(key) ?? 0) - found) < 1 ? old : new Map(old).set(key, found)));
  const rows = Array.from({ length: shown.last - shown.first }, (_, offset) => {
    const index = shown.first + offset;
    const child = row(index);
    return (
      <Slot key={child.key} of={child.key as Key} open={opened?.has(index) ?? false} onHeight={measure}>
        {child}
      </Slot>
    );
  });
  return (
    <div class={`rows ${props.class ?? ""}`} ref={box} tabIndex={0} role="region" aria-label={props.label}>
      <div class="rows-all" style={{ height: `${shown.total}px` }}>
        <div class="rows-shown" role="list" style={{ transform: `translateY(${shown.before}px)` }}>
          {rows}
        </div>
      </div>
    </div>
  );
}

/** Which rows are drawn. Scrolling draws nothing anew while enough of them are left. */
function useWindow(box: RefObject<HTMLDivElement>, heights: Heights, keyAt: KeyAt, follow: boolean): Window {
  const [place] = useState(() => new Place(VIEW_GUESS * window.innerHeight));
  const [overscan, setOverscan] = useState({ least: 0, most: 0 });
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  place.follow(follow);
  const top = place.kept(heights, keyAt);
  const shown = heights.window(top, place.height, overscan.most);
  const latest = useRef({ heights, keyAt, shown, overscan });
  latest.current = { heights, keyAt, shown, overscan };
  useLayoutEffect(() => {
    // by how much, not to where: the reader may have scrolled meanwhile
    if (top !== place.top) box.current!.scrollTop += top - place.top;
    place.drawn(top, heights, keyAt);
  });
  useLayoutEffect(() => {
    const element = box.current!;
    const look = (): void => {
      const { heights, keyAt, shown, overscan } = latest.current;
      place.scrolled(element.scrollTop, heights, keyAt);
      const needed = heights.window(place.top, place.height, overscan.least);
      if (needed.first < shown.first || needed.last > shown.last) redraw(undefined);
    };
    const observer = new ResizeObserver(() => {
      place.height = element.clientHeight;
      const { heights, keyAt } = latest.current;
      if (place.kept(heights, keyAt) !== place.top) redraw(undefined);
      else look();
    });
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  useEffect(() => setOverscan({ least: OVERSCAN_MIN, most: OVERSCAN }), []);
  return shown;
}

/** A set of rows with one more, or one less. */
export function toggled(rows: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(rows);
  if (!next.delete(key)) next.add(key);
  return next;
}

type SlotProps = { of: Key; open: boolean; onHeight: (key: Key, height: number) => void; children: ComponentChildren };

/** The same element whether the row is open or not, so that the focus stays in it; measured while it is open. */
function Slot({ of, open, onHeight, children }: SlotProps): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!open) return;
    const observer = new ResizeObserver(() => onHeight(of, element.current!.offsetHeight));
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, [open]);
  return <div ref={element}>{children}</div>;
}
