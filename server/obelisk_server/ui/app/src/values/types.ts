/** WIT types as trees, read from the text in which the server prints the type of a function. */

export const INTEGERS = {
  u8: [0n, 2n ** 8n - 1n],
  u16: [0n, 2n ** 16n - 1n],
  u32: [0n, 2n ** 32n - 1n],
  u64: [0n, 2n ** 64n - 1n],
  s8: [-(2n ** 7n), 2n ** 7n - 1n],
  s16: [-(2n ** 15n), 2n ** 15n - 1n],
  s32: [-(2n ** 31n), 2n ** 31n - 1n],
  s64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

export type IntegerKind = keyof typeof INTEGERS;
const SCALARS = ["bool", "f32", "f64", "char", "string"] as const;
type Scalar = IntegerKind | (typeof SCALARS)[number];

export type Named = { name: string; type: WitType };
export type Case = { name: string; type: WitType | null };

export type WitType =
  | { kind: Scalar }
  | { kind: "list" | "option"; item: WitType }
  | { kind: "result"; ok: WitType | null; err: WitType | null }
  | { kind: "tuple"; items: WitType[] }
  | { kind: "record"; fields: Named[] }
  | { kind: "variant"; cases: Case[] }
  | { kind: "enum" | "flags"; names: string[] }
  | { kind: "handle"; resource: string };

export type FunctionType = { params: Named[]; result: WitType | null };

export function isInteger(kind: string): kind is IntegerKind {
  return kind in INTEGERS;
}

/** Names are kebab-case in WIT and snake_case in JSON. */
export function snake(name: string): string {
  return name.replaceAll("-", "_");
}

/** `func(n: u8) -> result<u64>`. Throws SyntaxError. */
export function parseFunction(text: string): FunctionType {
  const reader = new TypeReader(text);
  reader.expect("func");
  reader.expect("(");
  const params = reader.sequence(")", () => reader.named());
  const result = reader.accept("->") ? reader.type() : null;
  reader.end();
  return { params, result };
}

/** As `parseFunction`; undefined: a type that these pages do not know, which only makes them plainer. */
export function readFunction(text: string): FunctionType | undefined {
  try {
    return parseFunction(text);
  } catch {
    return undefined;
  }
}

export function printType(type: WitType | null): string {
  if (type === null) return "_";
  switch (type.kind) {
    case "list":
    case "option":
      return `${type.kind}<${printType(type.item)}>`;
    case "result":
      if (type.err === null) return type.ok === null ? "result" : `result<${printType(type.ok)}>`;
      return `result<${printType(type.ok)}, ${printType(type.err)}>`;
    case "tuple":
      return `tuple<${type.items.map(printType).join(", ")}>`;
    case "record":
      return `record { ${type.fields.map(({ name, type }) => `${name}: ${printType(type)}`).join(", ")} }`;
    case "variant":
      return `variant { ${type.cases.map(({ name, type }) => (type ? `${name}(${printType(type)})` : name)).join(", ")} }`;
    case "enum":
    case "flags":
      return `${type.kind} { ${type.names.join(", ")} }`;
    case "handle":
      return `own<${type.resource}>`;
    default:
      return type.kind;
  }
}

const TOKEN = /\s*(->|%?[A-Za-z][\w-]*|[{}<>(),:_]|$)/y;

class TypeReader {
  private at = 0;
  private token = "";

  constructor(private readonly text: string) {
    this.advance();
  }

  private advance(): void {
    TOKEN.lastIndex = this.at;
    const found = TOKEN.exec(this.text);
    if (found === null)
      throw new SyntaxError(`${JSON.stringify(this.text.slice(this.at, this.at + 20))} is no WIT type`);
    this.at = TOKEN.lastIndex;
    this.token = (found[1] ?? "").replace(/^%/, "");
  }

  next(): string {
    const token = this.token;
    if (token === "") throw new SyntaxError("the type ends too early");
    this.advance();
    return token;
  }

  accept(token: string): boolean {
    if (this.token !== token) return false;
    this.advance();
    return true;
  }

  expect(token: string): void {
    if (!this.accept(token)) throw new SyntaxError(`expected ${token}, found ${this.token || "the end"}`);
  }

  end(): void {
    if (this.token !== "") throw new SyntaxError(`expected the end, found ${this.token}`);
  }

  sequence<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.accept(close)) {
      items.push(item());
      if (!this.accept(",")) {
        this.expect(close);
        break;
      }
    }
    return items;
  }

  named(): Named {
    const name = this.next();
    this.expect(":");
    return { name, type: this.type() };
  }

  private case(): Case {
    const name = this.next();
    if (!this.accept("(")) return { name, type: null };
    const type = this.type();
    this.expect(")");
    return { name, type };
  }

  type(): WitType {
    const kind = this.next();
    if (isInteger(kind) || (SCALARS as readonly string[]).includes(kind)) return { kind: kind as Scalar };
    switch (kind) {
      case "list":
      case "option": {
        this.expect("<");
        const item = this.type();
        this.expect(">");
        return { kind, item };
      }
      case "result":
        return this.result();
      case "tuple":
        this.expect("<");
        return { kind, items: this.sequence(">", () => this.type()) };
      case "record":
        this.expect("{");
        return { kind, fields: this.sequence("}", () => this.named()) };
      case "variant":
        this.expect("{");
        return { kind, cases: this.sequence("}", () => this.case()) };
      case "enum":
      case "flags":
        this.expect("{");
        return { kind, names: this.sequence("}", () => this.next()) };
      case "own":
      case "borrow": {
        this.expect("<");
        const resource = this.next();
        this.expect(">");
        return { kind: "handle", resource };
      }
      default:
        throw new SyntaxError(`unknown type ${kind}`);
    }
  }

  private result(): WitType {
    if (!this.accept("<")) return { kind: "result", ok: null, err: null };
    const ok = this.accept("_") ? null : this.type();
    const err = this.accept(",") ? this.type() : null;
    this.expect(">");
    return { kind: "result", ok, err };
  }
}
