/** Which rows of a long list are on the screen; rows have one height, but some were opened and are higher. */

type Window = { first: number; last: number; before: number; total: number };

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
