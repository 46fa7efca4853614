/** JSON in which integers are exact: those that a double cannot hold are BigInt, on the way in and on the way out. */

export type Json = null | boolean | number | bigint | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

const LONG_NUMBER = /\d{16}/;
const INTEGER = /^-?\d+$/;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const DEPTH_MAX = 500;

/** Throws SyntaxError, also for an object that gives a key twice. */
export function parseJson(text: string): Json {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

/** As `parseJson`, for what a server printed: native unless a number may be too long for that. */
export function parseAnswer(text: string): Json {
  return LONG_NUMBER.test(text) ? parseJson(text) : (JSON.parse(text) as Json);
}

/** With `indent`, short arrays and objects stay on one line. */
export function printJson(value: Json, indent = 0, width = 88): string {
  const flat = printFlat(value, indent > 0 ? " " : "");
  return indent === 0 ? flat : printWide(value, indent, width, 0);
}

function printFlat(value: Json, space: string): string {
  if (typeof value === "bigint") return value.toString();
  if (Object.is(value, -0)) return "-0.0";
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => printFlat(item, space)).join("," + space)}]`;
  const entries = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}:${space}${printFlat(item, space)}`,
  );
  return `{${entries.join("," + space)}}`;
}

function printWide(value: Json, indent: number, width: number, column: number): string {
  const flat = printFlat(value, " ");
  if (value === null || typeof value !== "object" || flat.length + column <= width) return flat;
  const inner = column + indent;
  const margin = "\n" + " ".repeat(inner);
  const lines = Array.isArray(value)
    ? value.map((item) => printWide(item, indent, width, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${printWide(item, indent, width, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}${margin}${lines.join("," + margin)}\n${" ".repeat(column)}${close}`;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

class Reader {
  private at = 0;

  constructor(private readonly text: string) {}

  value(depth: number): Json {
    if (depth > DEPTH_MAX) throw new SyntaxError(`nested deeper than ${DEPTH_MAX}`);
    this.space();
    switch (this.text[this.at]) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        return this.string();
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
      default:
        return this.number();
    }
  }

  end(): void {
    this.space();
    if (this.at < this.text.length) this.fail("the end");
  }

  private fail(expected: string): never {
    const line = this.text.slice(0, this.at).split("\n").length;
    const found = this.at < this.text.length ? JSON.stringify(this.text.slice(this.at, this.at + 12)) : "the end";
    throw new SyntaxError(`line ${line}: expected ${expected}, found ${found}`);
  }

  private space(): void {
    while (/[ \t\n\r]/.test(this.text[this.at] ?? "")) this.at += 1;
  }

  private accept(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  private word<T extends Json>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) this.fail("a value");
    this.at += word.length;
    return value;
  }

  private number(): number | bigint {
    NUMBER.lastIndex = this.at;
    const found = NUMBER.exec(this.text)?.[0];
    if (found === undefined) this.fail("a value");
    this.at += found.length;
    const number = Number(found);
    if (!INTEGER.test(found) && !Number.isFinite(number)) this.fail("a number that a double can hold");
    if (!INTEGER.test(found)) return number;
    return Number.isSafeInteger(number) ? number + 0 : BigInt(found); // of integers -0 is 0
  }

  private string(): string {
    const start = this.at;
    this.at += 1;
    for (;;) {
      PLAIN.lastIndex = this.at;
      this.at += PLAIN.exec(this.text)?.[0].length ?? 0;
      const next = this.text[this.at];
      if (next === '"') break;
      if (next !== "\\") this.fail('the closing " of a string');
      this.at += 2;
    }
    this.at += 1;
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      this.at = start;
      this.fail("a string with valid escapes");
    }
  }

  private array(depth: number): Json[] {
    this.at += 1;
    const items: Json[] = [];
    if (this.accept("]")) return items;
    do items.push(this.value(depth + 1));
    while (this.accept(","));
    if (!this.accept("]")) this.fail("a comma or ]");
    return items;
  }

  private object(depth: number): JsonObject {
    this.at += 1;
    const found: JsonObject = Object.create(null) as JsonObject;
    if (this.accept("}")) return { ...found };
    do {
      this.space();
      if (this.text[this.at] !== '"') this.fail("a key in quotes");
      const key = this.string();
      if (key in found) throw new SyntaxError(`the key ${JSON.stringify(key)} is given twice`);
      if (!this.accept(":")) this.fail("a colon");
      found[key] = this.value(depth + 1);
    } while (this.accept(","));
    if (!this.accept("}")) this.fail("a comma or }");
    return { ...found };
  }
}
