import { describe, expect, test } from "vitest";
import { ITEMS_MAX, Listing, lengthened, refreshed, type Shown } from "../src/pages/executions/listing.ts";
import { Refused } from "../src/wire/client.ts";
import { oneAtATime } from "../src/wire/once.ts";
import type { Page, Summary } from "../src/wire/shapes.ts";

function item(id: string | number, events = 0): Summary {
  return { id: String(id), events } as Summary;
}

function page(ids: (string | number)[], next_cursor: string | null = null): Page<Summary> {
  return { items: ids.map((id) => item(id)), next_cursor };
}

function list(ids: (string | number)[], cursor: string | null = null): Shown {
  return { items: page(ids).items, cursor, complete: cursor === null };
}

function told(shown: Shown | undefined): [string, string | null, boolean] {
  const { items, cursor, complete } = shown!;
  return [items.map((each) => each.id).join(" "), cursor, complete];
}

/** So long that all which can go on without anybody's doing has done so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

describe("the beginning of a list that was read anew", () => {
  test("is followed by what was loaded behind it", () => {
    const old = list(["c", "b", "a"], "after a");
    expect(told(refreshed(old, page(["d", "c", "b"], "after b")))).toEqual(["d c b a", "after a", false]);
  });

  test("stands alone if nothing of it was known: what is between was never loaded", () => {
    const old = list(["b", "a"], "after a");
    expect(told(refreshed(old, page(["f", "e"], "after e")))).toEqual(["f e", "after e", false]);
    expect(told(refreshed(list(["b", "a"]), page(["f", "e"], "after e")))).toEqual(["f e", "after e", false]);
  });

  test("has lost what does not fit any more, also if its own last one is new", () => {
    const old = list(["d", "c", "b", "a"], "after a");
    expect(told(refreshed(old, page(["e", "c", "x"], "after x")))).toEqual(["e c x b a", "after a", false]);
  });

  test("goes on by itself if nothing is left behind it", () => {
    expect(told(refreshed(list(["a"]), page(["c", "b", "a"], "after a")))).toEqual(["c b a", "after a", false]);
    expect(told(refreshed(list(["b", "a"], "after a"), page(["b"])))).toEqual(["b", null, true]);
  });

  test("makes no list longer than it may be", () => {
    const old = list([...Array(ITEMS_MAX).keys()], "on");
    const shown = refreshed(old, page(["new", 0, 1], "after 1"));
    expect([shown.items.length, shown.items[0]!.id, shown.cursor, shown.complete]).toEqual([
      ...[ITEMS_MAX, "new", null, false],
    ]);
  });
});

test("a page goes where it was asked for, and nowhere if the end is another one now", () => {
  const old = list(["c", "b"], "after b");
  expect(told(lengthened(old, "after b", page(["b", "a"])))).toEqual(["c b a", null, true]);
  expect(lengthened(list(["f", "e"], "after e"), "after b", page(["a"]))).toEqual(list(["f", "e"], "after e"));
});

/** A list whose requests are answered by hand. */
function byHand() {
  const asked: { cursor: string | null; answer: (page: Page<Summary>) => void; refuse: (error: Refused) => void }[] =
    [];
  const frames: (() => void)[] = [];
  let changes = 0;
  const listing = new Listing(
    (cursor) => new Promise((answer, refuse) => void asked.push({ cursor, answer, refuse })),
    () => void (changes += 1),
    (call) => void frames.push(call),
  );
  return { listing, asked, frames, changes: () => changes };
}

describe("a list", () => {
  test("is read once at a time, and once more if that was wanted meanwhile", async () => {
    const { listing, asked } = byHand();
    for (let time = 0; time < 3; time += 1) listing.freshen();
    expect(asked).toHaveLength(1);
    asked[0]!.answer(page(["a"]));
    await settled();
    expect(asked).toHaveLength(2);
    asked[1]!.answer(page(["b", "a"]));
    await settled();
    expect(asked).toHaveLength(2);
    expect(told(listing.shown)[0]).toBe("b a");
  });

  test("is drawn once for all that was told before a picture", async () => {
    const { listing, asked, frames, changes } = byHand();
    listing.freshen();
    asked[0]!.answer(page(["c", "b", "a"]));
    await settled();
    const before = listing.shown!.items[0];
    for (const [id, events] of [
      ["b", 1],
      ["a", 2],
      ["b", 3],
      ["unknown", 4],
    ] as const)
      listing.put(item(id, events));
    expect([frames.length, changes()]).toEqual([1, 1]);
    frames[0]!();
    expect(listing.shown!.items.map((each) => each.events)).toEqual([0, 3, 2]);
    expect(listing.shown!.items[0]).toBe(before);
    expect(changes()).toBe(2);
    listing.put(item("unknown", 5));
    frames[1]!();
    expect(changes()).toBe(2);
  });

  test("keeps what it has when it cannot be read, and says so until it can", async () => {
    const { listing, asked } = byHand();
    listing.freshen();
    asked[0]!.answer(page(["a"]));
    await settled();
    listing.freshen();
    asked[1]!.refuse(new Refused(503, "The store is not available", ""));
    await settled();
    expect([told(listing.shown)[0], listing.error?.status]).toEqual(["a", 503]);
    listing.freshen();
    asked[2]!.answer(page(["b", "a"]));
    await settled();
    expect([told(listing.shown)[0], listing.error]).toEqual(["b a", undefined]);
  });

  test("that nobody wants any more changes no more", async () => {
    const { listing, asked, frames, changes } = byHand();
    listing.freshen();
    listing.put(item("a"));
    listing.stop();
    asked[0]!.answer(page(["a"]));
    await settled();
    frames[0]!();
    expect([listing.shown, changes()]).toEqual([undefined, 0]);
  });
});

test("what is wanted while it is done is done once more", async () => {
  const ends: (() => void)[] = [];
  const work = oneAtATime(() => new Promise((resolve) => void ends.push(resolve)));
  for (const expected of [1, 1, 1]) {
    work();
    expect(ends).toHaveLength(expected);
  }
  ends[0]!();
  await settled();
  expect(ends).toHaveLength(2);
  ends[1]!();
  await settled();
  expect(ends).toHaveLength(2);
  work();
  expect(ends).toHaveLength(3);
});
