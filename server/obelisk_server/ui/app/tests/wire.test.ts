import { afterEach, expect, test, vi } from "vitest";
import { SETTLE_MS, childTail, readChild } from "../src/pages/execution/childLog.ts";
import { Tail } from "../src/pages/execution/store.ts";
import { offsetAfter } from "../src/wire/clock.ts";
import { BACKOFF_MS, backoff } from "../src/wire/feed.ts";
import { Frames } from "../src/wire/frames.ts";
import { Refused, path, withQuery } from "../src/wire/client.ts";

test("messages are found wherever the text is cut", () => {
  const text =
    'retry: 1000\nid: 7\n\n: still here\n\nevent: execution\ndata: {"a":\ndata: 1}\nid: 8.1\n\r\nevent: end\rdata:x\r\r';
  for (let size = 1; size <= text.length; size += 1) {
    const frames = new Frames();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...frames.take(text.slice(at, at + size)));
    found.push(...frames.take("\n"));
    expect(found).toEqual([
      { event: "execution", data: '{"a":\n1}' },
      { event: "end", data: "x" },
    ]);
    expect(frames.lastId).toBe("8.1");
  }
});

test("an event without data is no message, but its id is where to go on", () => {
  const frames = new Frames();
  expect(frames.take("id: 12.3\n\n")).toEqual([]);
  expect(frames.lastId).toBe("12.3");
});

test("tries come further and further apart, and never all at once", () => {
  const longest = BACKOFF_MS.at(-1)!;
  expect(backoff(0, () => 0)).toBe(BACKOFF_MS[0]! / 2);
  expect(backoff(0, () => 1)).toBe(BACKOFF_MS[0]!);
  expect(backoff(1_000, () => 1)).toBe(longest);
});

test("what is empty is left out of a query, and lists are repeated", () => {
  expect(withQuery("/v1/x", { a: "", b: null, c: false, d: ["1", "2"], e: 0 })).toBe("/v1/x?d=1&d=2&e=0");
  expect(path("executions", "E_1.n:a/b_1")).toBe("/v1/executions/E_1.n:a%2Fb_1");
});

/** Answers of a server that has a list of so many numbers; and where each was asked to begin. */
function serving(total: number): number[] {
  const cursors: number[] = [];
  vi.stubGlobal("sessionStorage", { getItem: () => null });
  vi.stubGlobal("fetch", async (url: string, { signal }: RequestInit) => {
    signal?.throwIfAborted();
    const query = new URL(url, "http://h").searchParams;
    const [from, limit] = [Number(query.get("cursor")), Number(query.get("limit"))];
    cursors.push(from);
    const items = Array.from({ length: Math.min(limit, total - from) }, (_, index) => from + index);
    const next_cursor = from + items.length;
    return new Response(JSON.stringify({ items, next_cursor, complete: next_cursor >= total }));
  });
  return cursors;
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("a list is read on from where it ended, and not beyond its bound", async () => {
  const cursors = serving(4_500);
  const { signal } = new AbortController();
  const whole = new Tail<number>("/v1/x", 5_000);
  await whole.grow(signal);
  expect([whole.items.length, whole.cut, whole.complete]).toEqual([4_500, false, true]);
  expect(cursors).toEqual([0, 1_000, 2_000, 3_000, 4_000]);
  expect(await whole.grow(signal)).toBe(false);
  const part = new Tail<number>("/v1/x", 2_500);
  await part.grow(signal);
  expect([part.items.length, part.cut, part.complete]).toEqual([2_500, true, false]);
  expect(await part.grow(signal)).toBe(false);
  expect(cursors).toHaveLength(8);
});

test("the log of a child whose row is scrolled past is not asked for", async () => {
  vi.useFakeTimers();
  const cursors = serving(300);
  const passed = new AbortController();
  const ended = expect(readChild(childTail("E_1"), passed.signal)).rejects.toThrow();
  await vi.advanceTimersByTimeAsync(SETTLE_MS - 1);
  passed.abort();
  await ended;
  expect(cursors).toEqual([]);
  const read = readChild(childTail("E_1"), new AbortController().signal);
  await vi.advanceTimersByTimeAsync(SETTLE_MS);
  expect((await read).events).toHaveLength(300);
  expect(cursors).toEqual([0]);
});

test("a clock that is off is set right by dates of answers, and one that is right stays as it is", () => {
  const server = 1_800_000_000_700;
  const date = (ahead: number): number => Math.floor((server + ahead) / 1_000) * 1_000;
  expect(offsetAfter(0, date(20), server, server + 40)).toBe(0);
  let offset = 0;
  const off = 300_000; // the clock of this machine is late
  for (let passed = 0; passed < 5_000; passed += 270) {
    const sent = server + passed - off;
    offset = offsetAfter(offset, date(passed), sent, sent + 10);
  }
  expect(Math.abs(offset - off)).toBeLessThan(200);
});

test("what passes is asked for again, what the request is to blame for is not", () => {
  const passes = [0, 429, 500, 503, 400, 401, 404].map((status) => new Refused(status, "why", "").passes);
  expect(passes).toEqual([false, true, true, true, false, false, false]);
  expect(new Refused(0, "The server does not answer", "").passes).toBe(true);
});
