/** Values of WIT types for people: named fields, typed leaves, and JSON beside. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { type Json, isObject, printJson } from "../values/json.ts";
import { type WitType, printType, snake } from "../values/types.ts";
import { casesOf, isBytes } from "../values/draft.ts";
import { Command } from "./parts.tsx";

const ITEMS_SHOWN = 50;
const BYTES_SHOWN = 64;

export function Value({ type, value }: { type: WitType | null; value: Json }): JSX.Element {
  if (value === null && type?.kind !== "option") return <span class="none">nothing</span>;
  if (type === null) return <Plain value={value} />;
  switch (type.kind) {
    case "option":
      if (value === null) return <span class="none">none</span>;
      if (type.item.kind !== "option" || !isObject(value)) return <Value type={type.item} value={value} />;
      return (
        <span class="chosen">
          <code class="tag">some</code> <Value type={type.item} value={value["some"] ?? null} />
        </span>
      );
    case "record":
      return isObject(value) ? (
        <Fields entries={type.fields.map((field) => [field.name, field.type, value[snake(field.name)] ?? null])} />
      ) : (
        <Plain value={value} />
      );
    case "tuple":
      return Array.isArray(value) ? (
        <Fields entries={type.items.map((item, index) => [String(index), item, value[index] ?? null])} />
      ) : (
        <Plain value={value} />
      );
    case "list":
      if (!Array.isArray(value)) return <Plain value={value} />;
      return isBytes(type) ? <Bytes bytes={value as number[]} /> : <Items type={type.item} items={value} />;
    case "variant":
    case "result":
      return <Chosen type={type} value={value} />;
    case "flags":
      return Array.isArray(value) && value.length ? (
        <span>
          {value.map((name) => (
            <code key={String(name)} class="tag">
              {String(name)}
            </code>
          ))}
        </span>
      ) : (
        <span class="none">no flags</span>
      );
    default:
      return <Plain value={value} enumerated={type.kind === "enum"} />;
  }
}

function Plain({ value, enumerated = false }: { value: Json; enumerated?: boolean }): JSX.Element {
  if (typeof value === "string" && enumerated) return <code class="tag">{value}</code>;
  if (typeof value === "string")
    return value.includes("\n") ? <pre class="text">{value}</pre> : <q class="text">{value}</q>;
  if (value === null) return <span class="none">nothing</span>;
  if (typeof value === "object") return <code class="json">{printJson(value, 2)}</code>;
  return <span class="number">{printJson(value)}</span>;
}

function Fields({ entries }: { entries: [string, WitType, Json][] }): JSX.Element {
  if (entries.length === 0) return <span class="none">no fields</span>;
  return (
    <dl class="fields">
      {entries.map(([name, type, value]) => (
        <div key={name}>
          <dt title={printType(type)}>{name}</dt>
          <dd>
            <Value type={type} value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Items({ type, items }: { type: WitType; items: Json[] }): JSX.Element {
  const [shown, setShown] = useState(ITEMS_SHOWN);
  if (items.length === 0) return <span class="none">an empty list</span>;
  return (
    <>
      <ol class="items" start={0}>
        {items.slice(0, shown).map((item, index) => (
          <li key={index}>
            <Value type={type} value={item} />
          </li>
        ))}
      </ol>
      {items.length > shown && (
        <button type="button" class="quiet" onClick={() => setShown(shown + 10 * ITEMS_SHOWN)}>
          {items.length - shown} more
        </button>
      )}
    </>
  );
}

function Bytes({ bytes }: { bytes: number[] }): JSX.Element {
  const hex = bytes.slice(0, BYTES_SHOWN).map((byte) => byte.toString(16).padStart(2, "0"));
  return (
    <span>
      <code class="json">
        {hex.join(" ")}
        {bytes.length > BYTES_SHOWN ? " …" : ""}
      </code>{" "}
      <span class="none">{bytes.length} bytes</span>
    </span>
  );
}

function Chosen({ type, value }: { type: WitType; value: Json }): JSX.Element {
  const [name, payload] = isObject(value) ? (Object.entries(value)[0] ?? ["", null]) : [String(value), null];
  const found = casesOf(type).find((item) => snake(item.name) === name);
  const tone = type.kind === "result" ? ` tone-${name === "ok" ? "ok" : "err"}` : "";
  return (
    <span class="chosen">
      <code class={`tag${tone}`}>{name}</code> {found?.type && <Value type={found.type} value={payload ?? null} />}
    </span>
  );
}

export function JsonText({ value, label }: { value: Json; label: string }): JSX.Element {
  return <Command text={printJson(value, 2)} label={label} />;
}
