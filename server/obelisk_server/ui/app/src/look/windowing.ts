/** Which rows of a long list are on the screen; rows have one height, but some were opened and are higher. */

export type Window = { first: number; last: number; before: number; total: number };

export class Heights {
  private readonly extra = new Map<number, number>();

  constructor(
    readonly count: number,
    readonly row: number,
    opened: Iterable<readonly [number, number]> = [],
  ) {
    for (const [index, height] of opened) if (index < count) this.extra.set(index, height - row);
  }

  get total(): number {
    return this.top(this.count);
  }

  top(index: number): number {
    let top = index * this.row;
    for (const [opened, extra] of this.extra) if (opened < index) top += extra;
    return top;
  }

  /** The row at a distance from the top. */
  at(distance: number): number {
    let low = 0;
    let high = Math.max(0, this.count - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.top(middle) <= distance) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Rows `first` to `last`, without `last`, cover the view and some more on both sides. */
  window(scrolled: number, height: number, overscan: number): Window {
    const first = Math.max(0, this.at(Math.max(0, scrolled)) - overscan);
    const last = Math.min(this.count, this.at(Math.max(0, scrolled + height)) + 1 + overscan);
    return { first, last, before: this.top(first), total: this.total };
  }
}

/** What a row is of, wherever in the list it is. */
export type Key = string | number;
export type KeyAt = (index: number) => Key;

/** Who has scrolled to less than this from the end is at the end: browsers round. */
const END_PX = 2;

/** Where a reader is in a list. What is read stays in its place on the screen when rows come or go above it. */
export class Place {
  top = 0;
  private first: { key: Key; index: number; top: number } | null = null;
  private follows = false;
  private atEnd = true;

  /** `height`: of the box. */
  constructor(public height: number) {}

  /** Whether to stay at the end when rows are added, until the reader scrolls away from it. */
  follow(wanted: boolean): void {
    if (wanted && !this.follows) this.atEnd = true;
    this.follows = wanted;
  }

  /** Where the box is to be scrolled to now. Who is at the very top sees what comes there. */
  kept(heights: Heights, keyAt: KeyAt): number {
    if (this.follows && this.atEnd) return Math.max(0, heights.total - this.height);
    const first = this.first;
    if (!first || this.top === 0) return this.top;
    const index = nearest(first.index, heights.count, (index) => keyAt(index) === first.key);
    return index === null ? this.top : Math.max(0, this.top + heights.top(index) - first.top);
  }

  /** What is drawn, and where the box is scrolled to. */
  drawn(top: number, heights: Heights, keyAt: KeyAt): void {
    this.top = top;
    const index = heights.at(top);
    this.first = heights.count ? { key: keyAt(index), index, top: heights.top(index) } : null;
  }

  /** The reader scrolled, if the box is not where it was put. */
  scrolled(top: number, heights: Heights, keyAt: KeyAt): void {
    if (top === this.top) return;
    this.atEnd = top + this.height >= heights.total - END_PX;
    this.drawn(top, heights, keyAt);
  }
}

/** The index below `count` that is nearest to `from` of those that fit. */
function nearest(from: number, count: number, fits: (index: number) => boolean): number | null {
  for (let away = 0; away <= Math.max(from, count - 1 - from); away += 1) {
    for (const index of [from - away, from + away]) if (index >= 0 && index < count && fits(index)) return index;
  }
  return null;
}
