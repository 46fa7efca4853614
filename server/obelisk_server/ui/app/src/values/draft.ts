/**
 * A value while it is being typed: a tree in the shape of its WIT type that also holds what is not valid yet. Text stays
 * text until it is read, so that 64-bit integers are never rounded and a half-typed number is kept.
 */

import { type Json, type JsonObject, isObject, printJson } from "./json.ts";
import { type Case, INTEGERS, type IntegerKind, type WitType, isInteger, printType, snake } from "./types.ts";

export type Draft =
  | { kind: "text"; text: string }
  | { kind: "switch"; on: boolean }
  | { kind: "names"; chosen: string[] }
  | { kind: "items"; items: Draft[] }
  | { kind: "maybe"; some: Draft | null }
  | { kind: "case"; name: string; payload: Draft | null };

export type Problem = { path: string; message: string };

const NON_FINITE = ["NaN", "Infinity", "-Infinity"];
const F32_MAX = 3.4028235677973366e38; // halfway beyond the largest; what is nearer rounds down
const EXACT_MAX = 2 ** 53;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const HALF_PAIR = /\p{Surrogate}/u;
const DECIMAL = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/;

/** Byte lists are one text, not one field for each byte. */
export function isBytes(type: WitType): boolean {
  return type.kind === "list" && type.item.kind === "u8";
}

/** `result` as the variant it is. */
export function casesOf(type: WitType): Case[] {
  if (type.kind === "variant") return type.cases;
  if (type.kind !== "result") return [];
  return [
    { name: "ok", type: type.ok },
    { name: "err", type: type.err },
  ];
}

/** What a form starts with. */
export function blank(type: WitType): Draft {
  switch (type.kind) {
    case "bool":
      return { kind: "switch", on: false };
    case "list":
      return isBytes(type) ? { kind: "text", text: "" } : { kind: "items", items: [] };
    case "option":
      return { kind: "maybe", some: null };
    case "tuple":
      return { kind: "items", items: type.items.map(blank) };
    case "record":
      return { kind: "items", items: type.fields.map((field) => blank(field.type)) };
    case "variant":
    case "result":
      return blankCase(casesOf(type)[0]);
    case "enum":
      return { kind: "text", text: snake(type.names[0] ?? "") };
    case "flags":
      return { kind: "names", chosen: [] };
    default:
      return { kind: "text", text: "" };
  }
}

export function blankCase(found: Case | undefined): Draft {
  return { kind: "case", name: snake(found?.name ?? ""), payload: found?.type ? blank(found.type) : null };
}

// From a form to JSON

/** The value, or undefined with at least one problem added. */
export function read(type: WitType, draft: Draft, path: string, problems: Problem[]): Json | undefined {
  const before = problems.length;
  const value = readAny(type, draft, path, problems);
  return problems.length > before ? undefined : value;
}

function readAny(type: WitType, draft: Draft, path: string, problems: Problem[]): Json {
  switch (draft.kind) {
    case "switch":
      return draft.on;
    case "names":
      return type.kind === "flags" ? type.names.map(snake).filter((name) => draft.chosen.includes(name)) : [];
    case "maybe":
      return readOption(type, draft.some, path, problems);
    case "items":
      return readItems(type, draft.items, path, problems);
    case "case":
      return readCase(type, draft.name, draft.payload, path, problems);
    case "text":
      return readText(type, draft.text, (message) => void problems.push({ path, message }));
  }
}

function readOption(type: WitType, some: Draft | null, path: string, problems: Problem[]): Json {
  if (some === null || type.kind !== "option") return null;
  const nested = type.item.kind === "option";
  const value = read(type.item, some, nested ? `${path}.some` : path, problems) ?? null;
  return nested ? { some: value } : value;
}

function readItems(type: WitType, items: Draft[], path: string, problems: Problem[]): Json {
  const one = (item: WitType, index: number, step: string): Json =>
    read(item, items[index] ?? blank(item), path + step, problems) ?? null;
  if (type.kind === "record") {
    return Object.fromEntries(
      type.fields.map((field, index) => [snake(field.name), one(field.type, index, `.${snake(field.name)}`)]),
    );
  }
  if (type.kind === "tuple") return type.items.map((item, index) => one(item, index, `[${index}]`));
  return type.kind === "list" ? items.map((_, index) => one(type.item, index, `[${index}]`)) : [];
}

function readCase(type: WitType, name: string, payload: Draft | null, path: string, problems: Problem[]): Json {
  const found = casesOf(type).find((item) => snake(item.name) === name);
  if (!found?.type) return type.kind === "result" ? { [name]: null } : name;
  return { [name]: read(found.type, payload ?? blank(found.type), `${path}.${name}`, problems) ?? null };
}

function readText(type: WitType, text: string, fail: (message: string) => void): Json {
  const refuse = (message: string): null => (fail(message), null);
  if (isInteger(type.kind)) return readInteger(type.kind, text.trim(), refuse);
  switch (type.kind) {
    case "string":
      return HALF_PAIR.test(text) ? refuse("contains half a surrogate pair") : text;
    case "char":
      return [...text].length === 1 && !HALF_PAIR.test(text) ? text : refuse("expected one character");
    case "f32":
    case "f64":
      return readFloat(type.kind, text.trim(), refuse);
    case "enum":
      return type.names.map(snake).includes(text)
        ? text
        : refuse(`expected one of ${type.names.map(snake).join(", ")}`);
    case "list":
      return readBytes(text.trim(), refuse);
    default:
      return refuse(`a value of type ${printType(type)} cannot be typed in`);
  }
}

function readInteger(kind: IntegerKind, text: string, refuse: (message: string) => null): Json {
  const [lowest, highest] = INTEGERS[kind];
  const expected = `expected ${kind}, an integer from ${lowest} to ${highest}`;
  if (!/^[-+]?\d+$/.test(text)) return refuse(expected);
  const value = BigInt(text.replace(/^\+/, ""));
  if (value < lowest || value > highest) return refuse(expected);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function readFloat(kind: "f32" | "f64", text: string, refuse: (message: string) => null): Json {
  if (NON_FINITE.includes(text)) return text;
  const value = Number(text);
  if (!DECIMAL.test(text)) return refuse(`expected ${kind}, a number, NaN, Infinity or -Infinity`);
  if (!Number.isFinite(value) || (kind === "f32" && Math.abs(value) >= F32_MAX))
    return refuse(`out of range for ${kind}`);
  return value;
}

/** Either hex digits in pairs after `0x`, or decimal numbers between commas or spaces, or base64 after `base64:`. */
function readBytes(text: string, refuse: (message: string) => null): Json {
  if (/^0x([0-9a-fA-F]{2})*$/.test(text)) return (text.slice(2).match(/../g) ?? []).map((pair) => parseInt(pair, 16));
  if (text.startsWith("base64:")) {
    const encoded = text.slice("base64:".length);
    if (!BASE64.test(encoded)) return refuse("expected valid base64 after base64:");
    return Array.from(atob(encoded), (character) => character.charCodeAt(0));
  }
  const numbers = text === "" ? [] : text.split(/[\s,]+/);
  if (numbers.every((item) => /^\d{1,3}$/.test(item) && Number(item) < 256)) return numbers.map(Number);
  return refuse("expected bytes: 0x0aff, or 10, 255, or base64:Cv8=");
}

// From JSON to a form

export class Mismatch extends Error {
  constructor(
    readonly path: string,
    readonly expected: string,
    value: Json,
  ) {
    const found = printJson(value);
    super(`expected ${expected}, found ${found.length > 60 ? found.slice(0, 60) + "…" : found}`);
  }
}

/** Takes what the server takes. Throws Mismatch. */
export function draftOf(type: WitType, value: Json, path = ""): Draft {
  const refuse = (expected: string): never => {
    throw new Mismatch(path, expected, value);
  };
  switch (type.kind) {
    case "bool":
      return typeof value === "boolean" ? { kind: "switch", on: value } : refuse("true or false");
    case "option":
      return optionDraft(type.item, value, path, refuse);
    case "tuple": {
      const items =
        Array.isArray(value) && value.length === type.items.length ? value : refuse(`${type.items.length} items`);
      return {
        kind: "items",
        items: type.items.map((item, index) => draftOf(item, items[index] ?? null, `${path}[${index}]`)),
      };
    }
    case "list":
      return listDraft(type.item, value, path, refuse);
    case "record":
      return recordDraft(type.fields, value, path, refuse);
    case "variant":
    case "result":
      return caseDraft(type, value, path, refuse);
    case "flags": {
      const chosen = Array.isArray(value) ? value.map((item) => (typeof item === "string" ? snake(item) : "")) : [""];
      const known = type.names.map(snake);
      const valid = chosen.every((name) => known.includes(name)) && new Set(chosen).size === chosen.length;
      return valid ? { kind: "names", chosen } : refuse(`different names out of ${known.join(", ")}`);
    }
    default:
      return scalarDraft(type, value, refuse);
  }
}

type Refuse = (expected: string) => never;

function scalarDraft(type: WitType, value: Json, refuse: Refuse): Draft {
  const number = typeof value === "number" || typeof value === "bigint";
  const textual = type.kind === "string" || type.kind === "char" || type.kind === "enum";
  const float = type.kind === "f32" || type.kind === "f64";
  const fits = textual ? typeof value === "string" : number || (float && NON_FINITE.includes(String(value)));
  const rounded = isInteger(type.kind) && typeof value === "number" && !(Math.abs(value) <= EXACT_MAX);
  if (!fits || rounded) return refuse(printType(type));
  const text = Object.is(value, -0) ? "-0" : String(value);
  const draft: Draft = { kind: "text", text: type.kind === "enum" ? snake(text) : text };
  const problems: Problem[] = [];
  read(type, draft, "", problems);
  return problems[0] ? refuse(problems[0].message.replace(/^expected /, "")) : draft;
}

function optionDraft(item: WitType, value: Json, path: string, refuse: Refuse): Draft {
  if (value === null) return { kind: "maybe", some: null };
  if (item.kind !== "option") return { kind: "maybe", some: draftOf(item, value, path) };
  const inner = isObject(value) && Object.keys(value).join() === "some" ? value["some"] : undefined;
  return inner === undefined
    ? refuse('null or {"some": …}')
    : { kind: "maybe", some: draftOf(item, inner, `${path}.some`) };
}

function listDraft(item: WitType, value: Json, path: string, refuse: Refuse): Draft {
  if (item.kind === "u8" && typeof value === "string") {
    const problems: Problem[] = [];
    const draft: Draft = { kind: "text", text: `base64:${value}` };
    read({ kind: "list", item }, draft, path, problems);
    return problems.length ? refuse("an array of bytes, or base64") : draft;
  }
  const items = Array.isArray(value) ? value : refuse("an array");
  const drafts = items.map((each, index) => draftOf(item, each, `${path}[${index}]`));
  return item.kind === "u8" ? { kind: "text", text: items.join(", ") } : { kind: "items", items: drafts };
}

function recordDraft(fields: { name: string; type: WitType }[], value: Json, path: string, refuse: Refuse): Draft {
  const names = fields.map((field) => snake(field.name));
  const expected = names.length ? `an object with the fields ${names.join(", ")}` : "an empty object";
  const given: JsonObject = isObject(value) ? value : refuse(expected);
  const found = new Map(Object.entries(given).map(([key, item]) => [snake(key), item]));
  const misfits = found.size < Object.keys(given).length || [...found.keys()].some((key) => !names.includes(key));
  const lacking = fields.some((field) => !found.has(snake(field.name)) && field.type.kind !== "option");
  if (misfits || lacking) refuse(expected);
  const item = (field: { name: string; type: WitType }): Draft =>
    draftOf(field.type, found.get(snake(field.name)) ?? null, `${path}.${snake(field.name)}`);
  return { kind: "items", items: fields.map(item) };
}

function caseDraft(type: WitType, value: Json, path: string, refuse: Refuse): Draft {
  const cases = casesOf(type);
  const bare = type.kind === "variant" && typeof value === "string";
  const entries = isObject(value) ? Object.entries(value) : [];
  const [key, payload] = bare ? [value, null] : entries.length === 1 ? entries[0]! : ["", null];
  const found = cases.find((item) => snake(item.name) === snake(key));
  const form = (item: Case): string =>
    item.type || type.kind === "result" ? `{"${snake(item.name)}": …}` : `"${snake(item.name)}"`;
  const expected = `one of ${cases.map(form).join(", ")}`;
  if (!found || (type.kind === "variant" && bare === (found.type !== null))) return refuse(expected);
  if (found.type === null && payload !== null) return refuse(`null as the payload of ${snake(found.name)}`);
  const inner = found.type ? draftOf(found.type, payload, `${path}.${snake(found.name)}`) : null;
  return { kind: "case", name: snake(found.name), payload: inner };
}
