/**
 * Changes as they happen. A feed follows a stream of the server and comes back by itself after a break, from where it
 * was. What it tells is a hint: whoever listens reads the truth anew.
 */

import { parseAnswer, isObject, type JsonObject } from "../values/json.ts";
import { TOO_MANY, authorized, refusal } from "./client.ts";
import { Frames, type Message } from "./frames.ts";
import { pause, shown } from "./waiting.ts";

/** `ended`: nothing can change any more. */
export type Connection = "connecting" | "live" | "lost" | "ended";
export type Change = { name: string; data: JsonObject };

export type Listener = {
  /** `execution` with a summary, `event` with a log event; `reload` when something may have been missed. */
  changed: (change: Change) => void;
  connection: (state: Connection) => void;
};

export const BACKOFF_MS = [250, 500, 1_000, 2_000, 4_000, 8_000];
/** A server sends a comment more often than this; a stream that is silent for longer is broken. */
const SILENCE_MS = 45_000;

/** `broken`: to be taken up again; `over`: nothing follows. */
type End = "broken" | "over";

const RELOAD: Change = { name: "reload", data: {} };

/** How long to wait before the next try, with jitter so that many tabs do not come back at once. */
export function backoff(failures: number, random: () => number = Math.random): number {
  const full = BACKOFF_MS[Math.min(failures, BACKOFF_MS.length - 1)]!;
  return full * (0.5 + random() / 2);
}

export class Feed {
  private readonly stopped = new AbortController();
  private lastId: string | null = null;
  private failures = 0;

  constructor(
    private readonly path: string,
    private readonly listener: Listener,
  ) {
    void this.run();
  }

  stop(): void {
    this.stopped.abort();
  }

  private async run(): Promise<void> {
    this.listener.connection("connecting");
    while (!this.stopped.signal.aborted) {
      await shown(this.stopped.signal);
      const end = await this.follow().catch((): End => "broken");
      if (this.stopped.signal.aborted) return;
      if (end === "over") return this.listener.connection("ended");
      if (document.hidden) continue;
      this.listener.connection("lost");
      await pause(backoff(this.failures), this.stopped.signal);
      this.failures += 1;
    }
  }

  /** Returns, or throws, when the stream ends. */
  private async follow(): Promise<End> {
    const silence = new AbortController();
    const hidden = (): void => (document.hidden ? silence.abort() : undefined);
    let timer = 0;
    const heard = (): void => {
      clearTimeout(timer);
      timer = window.setTimeout(() => silence.abort(), SILENCE_MS);
    };
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.lastId !== null) headers["Last-Event-ID"] = this.lastId;
    document.addEventListener("visibilitychange", hidden);
    try {
      heard();
      const signal = AbortSignal.any([this.stopped.signal, silence.signal]);
      const answer = await fetch(this.path, { headers: authorized(headers), signal, cache: "no-store" });
      if (answer.status === 204) return "over";
      if (!answer.ok || answer.body === null) return await this.refused(answer); // its text is read before the connection is let go of
      this.connected();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const frames = new Frames();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        heard();
        const messages = frames.take(piece.value);
        this.lastId = frames.lastId ?? this.lastId;
        for (const message of messages) this.receive(message);
        if (messages.some((message) => message.event === "end")) return "over";
      }
      return "broken";
    } finally {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", hidden);
      silence.abort();
    }
  }

  private async refused(answer: globalThis.Response): Promise<End> {
    const { status } = refusal(answer.status, await answer.text());
    // there is no such thing, or not for this token: who signs in loads the page anew
    return status >= 400 && status < 500 && status !== TOO_MANY ? "over" : "broken";
  }

  private connected(): void {
    const before = this.failures;
    this.failures = 0;
    this.listener.connection("live");
    // between the first page of a list and the first connection something may have happened; and what was told before a
    // break was perhaps read in vain
    if (this.lastId === null || before > 0) this.listener.changed(RELOAD);
  }

  private receive(message: Message): void {
    if (message.event === "behind") return this.listener.changed(RELOAD);
    const data = parseAnswer(message.data);
    if (isObject(data)) this.listener.changed({ name: message.event, data });
  }
}
