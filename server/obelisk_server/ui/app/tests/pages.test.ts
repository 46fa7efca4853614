import { describe, expect, test } from "vitest";
import { ago, clockTime, duration, micros } from "../src/look/time.ts";
import { Heights, Place } from "../src/look/windowing.ts";
import { graphOf } from "../src/pages/components/graph.ts";
import { piecesOf } from "../src/pages/components/wit.ts";
import { eventText, historyOf, joinSetOf, shortened } from "../src/pages/execution/history.ts";
import {
  type Phase,
  moved,
  phasesOf,
  phasesOfBeginning,
  placed,
  spent,
  ticks,
  viewOf,
  visible,
  wheelFactor,
  windowOf,
  zoomed,
} from "../src/pages/execution/timeline.ts";
import { Told } from "../src/pages/execution/store.ts";
import {
  countsOf,
  filtersOf,
  instantOf,
  localOf,
  narrowed,
  narrowedWithin,
  whereOf,
} from "../src/pages/executions/filters.ts";
import { waitOf } from "../src/pages/executions/wait.ts";
import { cli, curl, quoted, tagsOf } from "../src/pages/submit/commands.ts";
import type { ComponentItem, LogEvent, Response, Summary } from "../src/wire/shapes.ts";

const ID = "E_01M7Y4K2CF39G7F44A52ZQCSTC";

function at(seconds: number): string {
  return new Date(Date.UTC(2026, 0, 1) + seconds * 1_000).toISOString().replace("Z", "000Z");
}

function log(...events: [number, string, Record<string, unknown>?][]): LogEvent[] {
  return events.map(([second, event, fields], version) => ({ version, at: at(second), event, ...fields }) as LogEvent);
}

function answered(position: number, id: string, second: number): Response {
  return { position, at: at(second), id, response: "child-finished", outcome: { ok: position } };
}

describe("times", () => {
  test("microseconds are kept", () => {
    expect(micros("2026-11-21T04:11:17.026170Z") % 1_000_000).toBe(26_170);
    expect(micros("1970-01-01T00:00:01Z")).toBe(1_000_000);
    expect(clockTime(micros("2020-01-02T03:04:05.678901Z"))).toMatch(/^2020-01-0\d \d\d:04:05\.678$/);
  });

  test("durations have a unit that fits", () => {
    const shown = [840, 1_240, 56_700, 1_500_000, 200e6, 7_260e6, 90_000e6].map(duration);
    expect(shown).toEqual(["840 µs", "1.24 ms", "56.7 ms", "1.50 s", "3 min 20 s", "2 h 1 min", "1 d 1 h"]);
    expect([ago(0, 400_000), ago(0, 5e6), ago(65e6, 0)]).toEqual(["now", "5 s ago", "in 1 min 5 s"]);
  });
});

describe("long lists", () => {
  test("a window covers what is visible, and more on both sides", () => {
    const heights = new Heights(10_000, 32);
    expect(heights.total).toBe(320_000);
    expect(heights.window(160_000, 640, 5)).toEqual({ first: 4_995, last: 5_026, before: 159_840, total: 320_000 });
    expect(heights.window(-50, 0, 0).first).toBe(0);
    expect(new Heights(0, 32).window(0, 600, 5)).toEqual({ first: 0, last: 0, before: 0, total: 0 });
  });

  test("opened rows move what is below them", () => {
    const heights = new Heights(100, 10, [
      [3, 110],
      [200, 50],
    ]);
    expect([heights.total, heights.top(3), heights.top(4)]).toEqual([1_100, 30, 140]);
    expect([heights.at(35), heights.at(139), heights.at(140)]).toEqual([3, 3, 4]);
  });

  /** A box of 100 pixels with rows of 10, scrolled to `top`. */
  const reading = (rows: string[], top: number): Place => {
    const place = new Place(100);
    place.drawn(0, ...drawn(rows));
    place.scrolled(top, ...drawn(rows));
    return place;
  };
  const drawn = (rows: string[], height = 10): [Heights, (index: number) => string] => [
    new Heights(rows.length, height),
    (index) => rows[index]!,
  ];
  const many = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, at) => `row ${from + at}`);

  test("what is read stays in its place when rows come or go above it", () => {
    const place = reading(many(0, 50), 205);
    expect(place.kept(...drawn(["new", ...many(0, 50)]))).toBe(215);
    expect(place.kept(...drawn(many(7, 50)))).toBe(135);
    expect(place.kept(...drawn(many(0, 50), 20))).toBe(405);
    expect(place.kept(...drawn(many(30, 50)))).toBe(205); // it is gone itself
    expect(reading(many(0, 50), 0).kept(...drawn(["new", ...many(0, 50)]))).toBe(0);
  });

  test("who is at the end and follows stays there, also when as many rows go as come", () => {
    const place = reading(many(0, 50), 400);
    place.follow(true);
    expect(place.kept(...drawn(many(0, 60)))).toBe(500);
    expect(place.kept(...drawn(many(5, 55)))).toBe(400);
    expect(place.kept(...drawn(many(0, 3)))).toBe(0);
  });

  test("who scrolled away from the end is left alone until he is there again", () => {
    const place = reading(many(0, 50), 400);
    place.follow(true);
    place.scrolled(300, ...drawn(many(0, 50)));
    expect(place.kept(...drawn(many(0, 60)))).toBe(300);
    expect(place.kept(...drawn(many(5, 55)))).toBe(250);
    place.scrolled(399, ...drawn(many(0, 50)));
    expect(place.kept(...drawn(many(0, 60)))).toBe(500);
  });

  test("whoever begins to follow is brought to the end", () => {
    const place = reading(many(0, 50), 100);
    expect(place.kept(...drawn(many(0, 60)))).toBe(100);
    place.follow(true);
    expect(place.kept(...drawn(many(0, 60)))).toBe(500);
  });

  test("a box that became smaller still shows the end to who was there", () => {
    const place = reading(many(0, 50), 400);
    place.follow(true);
    place.height = 60;
    place.scrolled(400, ...drawn(many(0, 50)));
    expect(place.kept(...drawn(many(0, 50)))).toBe(440);
  });
});

describe("history", () => {
  const events = log(
    [0, "created"],
    [0, "child-submitted", { join_set: "o:1", function: "a:b/c.d", params: [1] }],
    [1, "join-set-created", { join_set: "n:x/y" }],
    [1, "child-submitted", { join_set: "n:x/y", function: "a:b/c.d", params: ["t"] }],
    [2, "delay-submitted", { join_set: "n:x/y", wakes: at(9), relative: true }],
    [3, "awaited-next", { join_set: "n:x/y" }],
    [4, "tried-next", { join_set: "n:x/y", pending: true }],
    [5, "join-set-closed", { join_set: "n:x/y" }],
  );
  const responses = [answered(1, `${ID}.o:1_1`, 0.5), answered(2, `${ID}.n:x/y_1`, 2)];

  test("ids of what was submitted follow from the log, and so does who took which response", () => {
    const history = historyOf(ID, events, responses);
    expect(history.asked.map((each) => each.id)).toEqual([
      `${ID}.o:1_1`,
      `${ID}.n:x/y_1`,
      `${ID.replace("E_", "Delay_")}.n:x/y_2`,
    ]);
    expect(history.asked.map((each) => each.answer?.position)).toEqual([1, 2, undefined]);
    expect([...history.taken].map(([version, response]) => [version, response.position])).toEqual([
      [1, 1],
      [5, 2],
    ]);
    expect(history.joinSets.get("n:x/y")).toMatchObject({ taken: 1, closed: true });
    expect(joinSetOf(`${ID}.n:x/y_12`)).toBe("n:x/y");
  });

  test("at an earlier version there is only what came before", () => {
    const history = historyOf(ID, events, responses, 4);
    expect(history.asked).toHaveLength(2);
    expect(history.joinSets.get("n:x/y")).toMatchObject({ taken: 0, closed: false });
  });

  test("an event is told on one line", () => {
    expect(eventText(events[1]!)).toBe("a:b/c.d(1)");
    expect(eventText(events[4]!)).toMatch(/^7\.00 s, until /);
  });

  test("of a long text a line has the beginning", () => {
    const [event] = log([0, "created", { function: "a:b/c.d", params: ["x".repeat(2_000_000)] }]);
    expect(shortened(eventText(event!))).toMatch(/^a:b\/c\.d\("x{50,300}…$/);
    expect(shortened("short")).toBe("short");
  });

  test("a hundred thousand answers in one join set are no more work each than a few", () => {
    const many = Array.from({ length: 100_000 }, (_, index) => answered(index + 1, `${ID}.n:x/y_${index + 1}`, 1));
    const last = many.length - 1;
    const awaited = { at: at(2), event: "awaited-next", join_set: "n:x/y" };
    const awaits = many.map((_, version): LogEvent => ({ version, ...awaited }));
    expect(historyOf(ID, awaits, many).taken.get(last)).toBe(many[last]);
  });
});

describe("what a row waits for", () => {
  const row = (fields: Partial<Summary>): unknown =>
    waitOf({ status: "pending", lifecycle: "active", kind: "workflow", ...fields } as Summary, micros(at(10)));

  test("the summary says it in few words", () => {
    expect(row({ due: at(5) })).toEqual({ text: "its turn" });
    expect(row({ due: at(15) })).toEqual({ until: at(15) });
    expect(row({ kind: "stub" })).toEqual({ text: "an answer" });
    expect(row({ status: "blocked", join_set: "n:some", remaining: 2 })).toEqual({ text: "2 answers in n:some" });
    expect(row({ status: "blocked", lifecycle: "paused" })).toEqual({ text: "being resumed" });
    expect([row({ status: "locked" }), row({ status: "finished" })]).toEqual([null, null]);
  });
});

describe("what a stream told", () => {
  test("an event is about its execution alone, a reload about all", () => {
    const told = new Told();
    told.about({ name: "event", data: { execution: `${ID}.o:1_1` } });
    expect([told.of(ID), told.of(`${ID}.o:1_1`)]).toEqual([0, 1]);
    told.about({ name: "reload", data: {} });
    expect([told.of(ID), told.of(`${ID}.o:1_1`)]).toEqual([1, 2]);
  });

  test("a child is news to those who list the children of its parent, and to nobody else", () => {
    const told = new Told();
    told.about({ name: "execution", data: { id: `${ID}.o:1_1.n:x/y_2` } });
    told.about({ name: "execution", data: { id: ID } });
    expect([told.below(ID), told.below(`${ID}.o:1_1`), told.below(`${ID}.o:1_2`)]).toEqual([0, 1, 0]);
    told.about({ name: "reload", data: {} });
    expect(told.below(`${ID}.o:1_2`)).toBe(1);
  });
});

describe("timeline", () => {
  const zero = micros(at(0));
  const phases = (events: LogEvent[], now: number): unknown[] =>
    phasesOf(events, zero + now * 1e6).map((phase) => [phase.kind, (phase.from - zero) / 1e6, (phase.to - zero) / 1e6]);

  test("attempts, backoff and queues follow each other without gaps", () => {
    const events = log(
      [0, "created"],
      [1, "locked", { attempt: 1 }],
      [2, "attempt-failed", { due: at(4), outcome: { err: null } }],
      [5, "locked", { attempt: 2 }],
      [6, "finished", { outcome: { ok: null } }],
    );
    expect(phases(events, 60)).toEqual([
      ["queued", 0, 1],
      ["running", 1, 2],
      ["backoff", 2, 4],
      ["queued", 4, 5],
      ["running", 5, 6],
    ]);
  });

  test("a workflow that asked for something waits until its next event", () => {
    const events = log(
      [0, "created"],
      [0, "locked", { attempt: 1 }],
      [1, "child-submitted", { join_set: "o:1", function: "a:b/c.d" }],
      [3, "delay-submitted", { join_set: "o:2", wakes: at(4) }],
      [4, "join-set-created", { join_set: "n:some" }],
      [5, "child-submitted", { join_set: "n:some", function: "a:b/c.d" }],
      [6, "awaited-next", { join_set: "n:some" }],
    );
    expect(phases(events, 9)).toEqual([
      ["running", 0, 1],
      ["waiting", 1, 4],
      ["running", 4, 6],
      ["waiting", 6, 9],
    ]);
    expect([...spent(phasesOf(events, zero + 9e6)).values()]).toEqual([3e6, 6e6]);
  });

  test("a bar has few parts, however many phases there are", () => {
    const many = Array.from({ length: 20_000 }, (_, index): Phase => {
      return { kind: index % 2 ? "running" : "waiting", from: index, to: index + 1 };
    });
    expect(visible(many, { from: 0, to: 20_000 }).length).toBeLessThanOrEqual(1_001);
    expect(visible(many, { from: 100, to: 110 })).toHaveLength(12);
  });

  test("phases too short to be told apart are parts of what lasted longest there, all along the bar", () => {
    const many: Phase[] = [{ kind: "queued", from: 0, to: 5 }];
    for (let from = 5; from < 50_005; from += 10) {
      many.push({ kind: "running", from, to: from + 2 }, { kind: "waiting", from: from + 2, to: from + 10 });
    }
    const seen = visible(many, { from: 0, to: 50_005 });
    expect(seen.length).toBeGreaterThan(500);
    expect(new Set(seen.map((part) => part.kind))).toEqual(new Set(["waiting"]));
    expect([seen[0]!.from, seen.at(-1)!.to]).toEqual([0, 50_005]);
    expect(seen.every((part, index) => index === 0 || part.from === seen[index - 1]!.to)).toBe(true);
  });

  test("of a log that was not read to its end the rest is not known", () => {
    const events = log([0, "created"], [1, "locked", { attempt: 1 }], [2, "awaited-next", { join_set: "n:some" }]);
    const found = phasesOfBeginning(events, zero + 9e6).map(({ kind, from, to }) => [kind, from - zero, to - zero]);
    expect(found).toEqual([
      ["queued", 0, 1e6],
      ["running", 1e6, 2e6],
      ["unread", 2e6, 9e6],
    ]);
  });

  test("who sees the end goes on seeing it, as far as it moves", () => {
    const then = { from: 0, to: 1_000 };
    const now = { from: 0, to: 1_500 };
    for (const change of [moved(then, then, -0.25), moved(then, then, 0.25), zoomed(then, then, 1.6)]) {
      expect(viewOf(change, then)).toBeNull();
    }
    expect(windowOf(null, now)).toEqual(now);
    const atEnd = viewOf(moved(zoomed(then, then, 0.5), then, 9), then);
    expect(windowOf(atEnd, then)).toEqual({ from: 500, to: 1_000 });
    expect(windowOf(atEnd, now)).toEqual({ from: 1_000, to: 1_500 });
    const before = viewOf(zoomed(then, then, 0.5), then);
    expect([windowOf(before, then), windowOf(before, now)]).toEqual([
      { from: 250, to: 750 },
      { from: 250, to: 750 },
    ]);
  });

  test("ten small turns of the wheel are one large one", () => {
    expect(wheelFactor(10) ** 10).toBeCloseTo(wheelFactor(100));
    expect(wheelFactor(100)).toBeLessThan(1.3);
    expect(wheelFactor(-100) * wheelFactor(100)).toBeCloseTo(1);
  });

  test("what is open lasts until now", () => {
    expect(phases(log([0, "created", { due: at(10) }]), 3)).toEqual([["later", 0, 3]]);
    const parked = log([0, "created"], [0, "locked", { attempt: 1 }], [1, "unlocked", { parked: true, reason: "r" }]);
    expect(phases(parked, 8)).toEqual([
      ["running", 0, 1],
      ["parked", 1, 8],
    ]);
    expect(phases(log([0, "created"], [1, "paused", { reason: "r" }]), 4)).toEqual([
      ["queued", 0, 1],
      ["paused", 1, 4],
    ]);
    expect(
      phases(log([0, "created"], [0, "locked", { attempt: 1 }], [1, "attempt-lost", { due: at(9), reason: "r" }]), 2),
    ).toEqual([
      ["running", 0, 1],
      ["backoff", 1, 2],
    ]);
  });

  test("zooming keeps the point under the pointer and stays within all there is", () => {
    const all = { from: 0, to: 1_000 };
    expect(zoomed(all, all, 0.5, 0.25)).toEqual({ from: 125, to: 625 });
    expect(zoomed({ from: 900, to: 1_000 }, all, 2, 0.5)).toEqual({ from: 800, to: 1_000 });
    expect(zoomed({ from: 0, to: 100 }, all, 100)).toEqual(all);
    expect(moved({ from: 500, to: 700 }, all, 9)).toEqual({ from: 800, to: 1_000 });
    expect(placed({ from: 100, to: 200 }, 50, 150)).toEqual({ left: 0, width: 0.5 });
    expect(placed({ from: 100, to: 200 }, 201, 300)).toBeNull();
  });

  test("ticks are round and not too many", () => {
    expect(ticks({ from: 1e6, to: 5e6 }, 1e6, 5)).toEqual([0, 1e6, 2e6, 3e6, 4e6]);
    for (const length of [30, 7_654, 1e6, 61e6, 4e9, 9e12]) {
      expect(ticks({ from: 0, to: length }, 0, 8).length).toBeLessThanOrEqual(9);
    }
  });
});

describe("filters", () => {
  test("an address is a query of the API", () => {
    const filters = filtersOf(new URLSearchParams("state=failed&function=a:&tag=x=1 y=2&children=yes"));
    expect(whereOf(filters)).toMatchObject({ function: "a:", tag: ["x=1", "y=2"], children: true });
    expect(whereOf(filters)["result"]).toContain("timed-out");
    expect(whereOf(filtersOf(new URLSearchParams("state=waiting")))).toMatchObject({ status: ["blocked"] });
    expect([narrowed(filters), narrowed(filtersOf(new URLSearchParams()))]).toEqual([true, false]);
    const within = (query: string): boolean => narrowedWithin(filtersOf(new URLSearchParams(query)));
    expect([within("state=ok&children=yes"), within("state=ok&text=a")]).toEqual([false, true]);
  });

  test("all failures are counted together", () => {
    const counts = countsOf({ statuses: { blocked: 2 }, results: { ok: 1, trapped: 2, lost: 3 } });
    expect(counts).toMatchObject({ waiting: 2, ok: 1, failed: 5, err: 0 });
  });
});

describe("commands", () => {
  const submit = { function: "a:b/c.d", params: [18446744073709551615n, "it's"], tags: { user: "ann" }, due: "10s" };

  test("a shell reads them as they were meant", () => {
    expect(quoted("it's")).toBe("'it'\\''s'");
    expect(curl("http://h:1", submit, false)).toContain(
      `'{"function":"a:b/c.d","params":[18446744073709551615,"it'\\''s"]`,
    );
    expect(curl("http://h:1", submit, true)).toContain("$OBELISK_TOKEN");
    expect(cli("http://h:1", submit).replaceAll(" \\\n  ", " ")).toBe(
      `obelisk execution submit a:b/c.d '[18446744073709551615,"it'\\''s"]' --tag user=ann --in 10s --server http://h:1`,
    );
    expect(cli("http://h:1", { ...submit, due: "2026-01-31T12:00:00Z" })).toContain("--at 2026");
  });

  test("tags are pairs", () => {
    expect(tagsOf("a=1, b==")).toEqual({ a: "1", b: "=" });
    expect(tagsOf("  ")).toBeUndefined();
    expect(() => tagsOf("a")).toThrow("expected key=value");
  });
});

describe("components", () => {
  const component = (name: string, exported: string[], imports: string[]): ComponentItem => ({
    ...{ name, kind: "workflow", location: "", digest: "", size: 0 },
    exports: exported.map((each) => ({ function: each, type: "func()" })),
    imports,
  });

  test("callers are left of what they call, also by what the host derives", () => {
    const graph = graphOf([
      component("leaf", ["a:leaf/i.f"], []),
      component(
        "top",
        ["a:top/i.f"],
        ["a:middle/i.f: func()", "a:leaf-obelisk-ext/i.f-submit: func()", "wasi:x/y.z: func()"],
      ),
      component("middle", ["a:middle/i.f"], ["a:leaf/i.f: func()"]),
      component("alone", ["a:alone/i.f"], []),
    ]);
    expect(Object.fromEntries(graph.nodes.map((node) => [node.name, node.column]))).toEqual({
      top: 0,
      middle: 1,
      leaf: 2,
    });
    expect(graph.edges.map(({ from, to }) => `${from}>${to}`).sort()).toEqual([
      "middle>leaf",
      "top>leaf",
      "top>middle",
    ]);
  });

  test("calls in a circle are drawn too", () => {
    const graph = graphOf([
      component("a", ["n:a/i.f"], ["n:b/i.f: func()"]),
      component("b", ["n:b/i.f"], ["n:a/i.f: func()", "n:b/i.f: func()"]),
    ]);
    expect(graph.edges).toHaveLength(3);
    expect(Math.max(...graph.nodes.map((node) => node.column))).toBeLessThan(2);
  });

  type Found = ReturnType<typeof piecesOf>;
  const of = (pieces: Found, kind: string): string[] =>
    pieces.filter((piece) => piece.kind === kind).map((piece) => piece.target ?? piece.text);

  test("types and functions in WIT lead to where they are", () => {
    const text =
      "package n:p;\ninterface i {\n  // a point\n  record point { x: s32, far: bool }\n  far: func(at: point) -> list<point>;\n}";
    const pieces = piecesOf(text, new Set(["n:p/i.far"]));
    expect(pieces.map((piece) => piece.text).join("")).toBe(text);
    expect(["declared", "link", "function", "comment"].map((kind) => of(pieces, kind))).toEqual([
      ["n:p/i.point"],
      ["n:p/i.point", "n:p/i.point"],
      ["n:p/i.far"],
      ["// a point"],
    ]);
  });

  test("a name in WIT means what it does in its interface", () => {
    const text = `package root:component;
world root { import a:b/one@1.0.0; export c:d/two; }
package a:b@1.0.0 {
  interface one { enum error { bad } run: func() -> result<_, error>; }
  interface other { use one.{error as failure}; fail: func() -> failure; }
}
package c:d {
  interface two { record error { at: u8 } run: func() -> error; }
  interface three { use a:b/other@1.0.0.{failure}; run: func(why: failure, no: error); }
}`;
    const pieces = piecesOf(text, new Set(["c:d/two.run"]));
    expect(of(pieces, "declared")).toEqual(["a:b/one@1.0.0.error", "c:d/two.error"]);
    expect(of(pieces, "function")).toEqual(["c:d/two.run"]);
    const one = "a:b/one@1.0.0.error";
    expect(of(pieces, "link")).toEqual([one, one, one, "c:d/two.error", one, one]);
  });
});

test("a time in an address is an instant, and is typed as local time", () => {
  expect(instantOf("2026-01-31T12:00:00.000Z")).toBe("2026-01-31T12:00:00.000Z");
  expect(instantOf(localOf("2026-01-31T12:00:00.000Z"))).toBe("2026-01-31T12:00:00.000Z");
  expect(localOf("nonsense")).toBe("");
});
