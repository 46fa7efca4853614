import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Problem, blank, draftOf, read } from "../src/values/draft.ts";
import { type Json, parseJson, printJson } from "../src/values/json.ts";
import { type WitType, parseFunction, printType } from "../src/values/types.ts";

function parseType(text: string): WitType {
  return parseFunction(`func(it: ${text})`).params[0]!.type;
}

type Row = { json: string; canonical?: string; error?: string };
const GOLDEN = new URL("../../../../../tests/golden/values/", import.meta.url);

function golden(): { type: string; rows: Row[] }[] {
  return readdirSync(GOLDEN).flatMap((name) => JSON.parse(readFileSync(new URL(name, GOLDEN), "utf8")));
}

function through(type: string, json: string): Json {
  const parsed = parseType(type);
  const problems: Problem[] = [];
  const value = read(parsed, draftOf(parsed, parseJson(json)), "", problems);
  expect(problems).toEqual([]);
  return value!;
}

/** The server shortens an f32 to the digits that tell it from its neighbours; the nearest f32 is the same. */
function printed(type: string, value: Json): string {
  return printJson(type === "f32" && typeof value === "number" ? Math.fround(value) : value);
}

describe("values that the server takes and refuses", () => {
  for (const { type, rows } of golden()) {
    test(type, () => {
      expect(printType(parseType(type)).replaceAll(" ", "")).toBe(type.replaceAll(" ", ""));
      for (const row of rows) {
        if (row.canonical === undefined) expect(() => through(type, row.json), row.json).toThrow();
        else expect(printed(type, through(type, row.json)), row.json).toBe(printed(type, parseJson(row.canonical)));
      }
    });
  }
});

test("integers beyond 2^53 survive", () => {
  const text = '{"a":[18446744073709551615,-9223372036854775808,9007199254740993],"b":1.5,"c":[]}';
  expect(printJson(parseJson(text))).toBe(text);
  expect(printJson(through("u64", "18446744073709551615"))).toBe("18446744073709551615");
});

test("a negative zero keeps its sign where the type has one", () => {
  expect(printJson(through("f64", "-0.0"))).toBe("-0.0");
  expect(printJson(through("s8", "-0.0"))).toBe("0");
  expect(printJson(parseJson("[-0,-0.0]"))).toBe("[0,-0.0]");
});

test("text that is not JSON is refused with its line", () => {
  for (const text of ["", "[1,]", '{"a" 1}', "[1] 2", '"\\x"', '"a', "01", "nul", "[1\n,\n}", '{"a":1,"a":2}']) {
    expect(() => parseJson(text), text).toThrow(SyntaxError);
  }
  expect(() => parseJson("[1\n,\n}")).toThrow("line 3: expected a value, found");
});

test("a wide value is printed on several lines, and a short one on one", () => {
  const value = parseJson('{"names":["Ann","Ben"],"text":"' + "x".repeat(80) + '"}');
  expect(printJson(value, 2)).toBe(`{\n  "names": ["Ann", "Ben"],\n  "text": "${"x".repeat(80)}"\n}`);
});

test("a function's type is read with its parameters", () => {
  const { params, result } = parseFunction("func(n: u8, rest: list<option<record { x: s32 }>>) -> result<u64>");
  expect(params.map((param) => [param.name, printType(param.type)])).toEqual([
    ["n", "u8"],
    ["rest", "list<option<record { x: s32 }>>"],
  ]);
  expect(printType(result)).toBe("result<u64>");
});

test("problems of a form name the place", () => {
  const type = parseType(
    "record { at: list<u8>, points: list<tuple<s8, char>>, shape: variant { none, circle(f64) } }",
  );
  const draft = draftOf(type, parseJson('{"at": [1], "points": [[1, "a"]], "shape": {"circle": 1}}'));
  const broken = JSON.parse(
    JSON.stringify(draft).replace('"text":"1"}', '"text":"x"}').replace('"text":"a"', '"text":"ab"'),
  );
  broken.items[2].payload.text = "1e";
  const problems: Problem[] = [];
  expect(read(type, broken, "", problems)).toBeUndefined();
  expect(problems.map((problem) => problem.path)).toEqual([".at", ".points[0][1]", ".shape.circle"]);
});

test("bytes are typed in decimal, hex or base64", () => {
  const type = parseType("list<u8>");
  for (const text of ["10, 255", "0x0aFF", "base64:Cv8="])
    expect(read(type, { kind: "text", text }, "", [])).toEqual([10, 255]);
  for (const text of ["256", "0x0", "base64:*", "a"])
    expect(read(type, { kind: "text", text }, "", [])).toBeUndefined();
});

test("a blank form of optional and chosen things is valid", () => {
  const type = parseType(
    "tuple<option<option<u8>>, bool, flags { a, b }, enum { first-one, other }, list<string>, result>",
  );
  expect(read(type, blank(type), "", [])).toEqual([null, false, [], "first_one", [], { ok: null }]);
});
