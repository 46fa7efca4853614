/** Short messages about what was just done; read out, and gone after a while. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

const SHOWN_MS = 6_000;
type Notice = { key: number; text: string; bad: boolean };

let notices: Notice[] = [];
let count = 0;
const listeners = new Set<() => void>();

function change(next: Notice[]): void {
  notices = next;
  listeners.forEach((listener) => listener());
}

export function notify(text: string, { bad = false } = {}): void {
  const notice = { key: ++count, text, bad };
  change([...notices, notice]);
  setTimeout(() => change(notices.filter((other) => other !== notice)), SHOWN_MS);
}

function refuse(text: string): void {
  notify(text, { bad: true });
}

/** Does something, and says how it ended. True: it was done. */
export async function attempt(work: () => Promise<string | void>, refused = refuse): Promise<boolean> {
  try {
    const text = await work();
    if (text) notify(text);
    return true;
  } catch (error) {
    refused(error instanceof Error ? error.message : String(error));
    return false;
  }
}

export type Attempt = (work: () => Promise<string | void>) => Promise<boolean>;

/** As `attempt`, once at a time: a second Enter may come before the button is drawn anew. */
export function useAttempt(refused = refuse): Attempt {
  const busy = useRef(false);
  return async (work) => {
    if (busy.current) return false;
    busy.current = true;
    const done = await attempt(work, refused);
    busy.current = false;
    return done;
  };
}

export function Notices(): JSX.Element {
  const [, update] = useState(0);
  useEffect(() => {
    const listener = (): void => update((old) => old + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return (
    <div class="notices" role="status" aria-live="polite">
      {notices.map((notice) => (
        <p key={notice.key} class={notice.bad ? "notice bad" : "notice"}>
          {notice.text}
        </p>
      ))}
    </div>
  );
}
