/** Requests to the API. The token of a sign-in lives as long as the tab. */

import { type Json, parseAnswer, printJson } from "../values/json.ts";
import { noteDate } from "./clock.ts";

const TOKEN = "obelisk-token";
export const TOO_MANY = 429;
const UNREACHABLE = "The server does not answer";

/** What the server refused: problem details (RFC 9457), or that it could not be reached (status 0). */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
    readonly fields: Record<string, Json> = {},
  ) {
    super(detail || title);
  }

  /** Nothing is wrong with the request: it may be answered a little later. */
  get passes(): boolean {
    return this.title === UNREACHABLE || this.status === TOO_MANY || this.status >= 500;
  }
}

type Listener = () => void;
const signInWanted = new Set<Listener>();

/** Called when the server wants a token, or another one. */
export function onSignInWanted(listener: Listener): () => void {
  signInWanted.add(listener);
  return () => void signInWanted.delete(listener);
}

export function setToken(token: string | null): void {
  if (token === null) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
}

/** Keeps a token that the server takes. Throws Refused; then the one before is kept. */
export async function tryToken(token: string): Promise<void> {
  const before = sessionStorage.getItem(TOKEN);
  setToken(token);
  try {
    await get("/v1/caller");
  } catch (error) {
    setToken(before);
    throw error;
  }
}

export function hasToken(): boolean {
  return sessionStorage.getItem(TOKEN) !== null;
}

export function authorized(headers: Record<string, string> = {}): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN);
  return token === null ? headers : { ...headers, Authorization: `Bearer ${token}` };
}

type Query = Record<string, string | number | boolean | string[] | null | undefined>;

/** `path?query` without what is empty; lists are repeated. */
export function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== null && item !== undefined && item !== "" && item !== false) search.append(name, String(item));
    }
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const begun = ahead.get(path);
  ahead.delete(path);
  return take(await (begun ?? send("GET", path, undefined, signal))) as T;
}

export async function post<T>(path: string, body: Json = {}): Promise<T> {
  return take(await send("POST", path, body)) as T;
}

type Answer = { ok: boolean; status: number; text: string };

const ahead = new Map<string, Promise<Answer>>();

/** Sends a request before anybody wants its answer; the next `get` of this path takes it. Resolves when it is there. */
export async function askAhead(path: string): Promise<void> {
  const begun = send("GET", path);
  ahead.set(path, begun);
  await begun.catch(() => undefined);
}

async function send(method: string, path: string, body?: Json, signal?: AbortSignal): Promise<Answer> {
  const sent = body === undefined ? {} : { body: printJson(body) };
  const headers = authorized(body === undefined ? {} : { "Content-Type": "application/json" });
  try {
    const begun = Date.now();
    const answer = await fetch(path, { method, headers, ...sent, ...(signal ? { signal } : {}) });
    noteDate(answer.headers.get("Date"), begun);
    return { ok: answer.ok, status: answer.status, text: await answer.text() };
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused(0, UNREACHABLE, `${UNREACHABLE}. Is it running?`);
  }
}

function take({ ok, status, text }: Answer): Json {
  if (ok) return parseAnswer(text);
  throw refusal(status, text);
}

export function refusal(status: number, text: string): Refused {
  if (status === 401) for (const listener of signInWanted) listener();
  try {
    const { title, detail, ...fields } = JSON.parse(text) as Record<string, Json>;
    return new Refused(status, String(title ?? ""), String(detail ?? ""), fields);
  } catch {
    return new Refused(status, `The server answered ${status}`, "");
  }
}

/** The segments of a path, each encoded. */
export function path(...segments: string[]): string {
  return "/v1/" + segments.map(encodeURIComponent).join("/").replaceAll("%3A", ":");
}
