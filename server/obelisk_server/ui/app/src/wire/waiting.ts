/** What waits, ends when nobody wants it any more. */

/** Resolves after a while, or when it is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/** Resolves when somebody sees the page, or when it is aborted: others may need the few connections of a browser. */
export function shown(signal: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = (): void => (document.hidden ? undefined : resolve());
    document.addEventListener("visibilitychange", look, { signal });
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
