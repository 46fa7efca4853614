/** Figures as people read them; their units are the ends of their names. */

import { type Json, printJson } from "../../values/json.ts";
import { duration } from "../../look/time.ts";

export function titled(name: string): string {
  const words = name.replace(/_(seconds|bytes)$/, "").replaceAll("_", " ");
  return words[0] === undefined ? "" : words[0].toUpperCase() + words.slice(1);
}

export function figure(name: string, value: Json): string {
  if (value === null) return "–";
  if (typeof value !== "number") return typeof value === "string" ? value : printJson(value);
  if (name.endsWith("_seconds") || name === "seconds") return duration(value * 1_000_000);
  if (name.endsWith("_bytes")) return `${(value / 1_048_576).toFixed(value < 10_485_760 ? 1 : 0)} MiB`;
  return Number.isInteger(value) ? value.toLocaleString("en") : value.toPrecision(3);
}
