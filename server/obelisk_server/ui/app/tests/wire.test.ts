import { expect, test } from "vitest";
import { BACKOFF_MS, backoff } from "../src/wire/feed.ts";
import { Frames } from "../src/wire/frames.ts";
import { path, withQuery } from "../src/wire/client.ts";

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
