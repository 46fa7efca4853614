/** The server's clock: that of this machine may be minutes off, and all times that pages show are the server's. */

/** Milliseconds to add to the clock of this machine. */
let offset = 0;

/**
 * The offset after an answer that was dated between two moments of this machine. A date has no fraction of a second: so it only
 * says between which two an offset lies, and one that does already is kept.
 */
export function offsetAfter(before: number, date: number, sent: number, received: number): number {
  return Math.max(date - received, Math.min(before, date + 1_000 - sent));
}

/** What the header Date of an answer says, if there is one. */
export function noteDate(header: string | null, sent: number): void {
  const date = Date.parse(header ?? "");
  if (!Number.isNaN(date)) offset = offsetAfter(offset, date, sent, Date.now());
}

/** Milliseconds since 1970. */
export function serverNow(): number {
  return Date.now() + offset;
}
