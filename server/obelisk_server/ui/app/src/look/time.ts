/** Times of the API are microseconds since 1970 here: a double holds them exactly. */

import { useEffect, useState } from "preact/hooks";
import { serverNow } from "../wire/clock.ts";

const SECOND = 1_000_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export function micros(instant: string): number {
  const fraction = /\.(\d{1,6})/.exec(instant)?.[1] ?? "";
  return Math.floor(Date.parse(instant) / 1_000) * SECOND + Number(fraction.padEnd(6, "0"));
}

/** By the server's clock. */
export function nowMicros(): number {
  return serverNow() * 1_000;
}

/** Three significant digits at most: `840 µs`, `1.24 s`, `3 min 20 s`. */
export function duration(micros: number): string {
  const length = Math.max(0, micros);
  if (length < 1_000) return `${Math.round(length)} µs`;
  if (length < SECOND) return `${digits(length / 1_000)} ms`;
  if (length < MINUTE) return `${digits(length / SECOND)} s`;
  if (length < HOUR) return pair(length, MINUTE, "min", SECOND, "s");
  if (length < DAY) return pair(length, HOUR, "h", MINUTE, "min");
  return pair(length, DAY, "d", HOUR, "h");
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function pair(length: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((length % large) / small);
  return `${Math.floor(length / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

export function ago(from: number, now: number): string {
  const past = now - from;
  if (Math.abs(past) < SECOND) return "now";
  const text = duration(Math.floor(Math.abs(past) / SECOND) * SECOND).replace(/\.\d+/, "");
  return past < 0 ? `in ${text}` : `${text} ago`;
}

/** `14:03:27.123`, with the day if it is not today. */
export function clockTime(at: number, fraction = 3): string {
  const date = new Date(at / 1_000);
  const two = (part: number): string => String(part).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  const rest = fraction
    ? "." +
      String(at % SECOND)
        .padStart(6, "0")
        .slice(0, fraction)
    : "";
  const today = new Date().toDateString() === date.toDateString();
  const day = today ? "" : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} `;
  return day + time + rest;
}

type Ticker = { listeners: Set<(now: number) => void>; timer: number };

/** By their interval: what ticks alike on a page is drawn together. */
const tickers = new Map<number, Ticker>();

function onTick(milliseconds: number, listener: (now: number) => void): () => void {
  const ticker = tickers.get(milliseconds) ?? begun(milliseconds);
  ticker.listeners.add(listener);
  return () => {
    ticker.listeners.delete(listener);
    if (ticker.listeners.size > 0) return;
    clearInterval(ticker.timer);
    tickers.delete(milliseconds);
  };
}

function begun(milliseconds: number): Ticker {
  const listeners: Ticker["listeners"] = new Set();
  const tick = (): void => listeners.forEach((listener) => listener(nowMicros()));
  const ticker = { listeners, timer: window.setInterval(tick, milliseconds) };
  tickers.set(milliseconds, ticker);
  return ticker;
}

/** The present, again and again while something on the page depends on it. */
export function useNow(milliseconds: number, active = true): number {
  const [now, setNow] = useState(nowMicros);
  useEffect(() => (active ? onTick(milliseconds, setNow) : undefined), [milliseconds, active]);
  return now;
}
