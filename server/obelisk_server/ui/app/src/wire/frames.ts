/** Server-sent events from text that comes in pieces (https://html.spec.whatwg.org/multipage/server-sent-events.html). */

export type Message = { event: string; data: string };

export class Frames {
  private rest = "";
  private event = "";
  private data: string[] = [];
  /** Where to go on after a break; also of an event without data, which is no message. */
  lastId: string | null = null;

  /** The messages that this piece completes. */
  take(piece: string): Message[] {
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    return lines.flatMap((line) => this.line(line));
  }

  private line(line: string): Message[] {
    if (line === "") return this.dispatch();
    const [, name = line, value = ""] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
    if (name === "event") this.event = value;
    if (name === "data") this.data.push(value);
    if (name === "id") this.lastId = value;
    return [];
  }

  private dispatch(): Message[] {
    const message = { event: this.event || "message", data: this.data.join("\n") };
    const complete = this.data.length > 0;
    this.event = "";
    this.data = [];
    return complete ? [message] : [];
  }
}
