/** Which page is shown follows the address; links change it without loading anything. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

export type Place = { path: string[]; query: URLSearchParams };

/** A segment of an address; as it is, if it is not encoded as addresses are. */
export function segmentOf(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

export function here(): Place {
  const path = location.pathname.split("/").filter(Boolean).map(segmentOf);
  return { path, query: new URLSearchParams(location.search) };
}

const listeners = new Set<() => void>();
const moved = (): void => listeners.forEach((listener) => listener());
window.addEventListener("popstate", moved);

export function navigate(to: string, { replace = false } = {}): void {
  if (to === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  moved();
  if (!replace) document.getElementById("main")?.scrollTo(0, 0); // the page scrolls in there
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const update = (): void => setPlace(here());
    listeners.add(update);
    return () => void listeners.delete(update);
  }, []);
  return place;
}

/** The address with some of its query changed; null removes. */
export function setQuery(changes: Record<string, string | null>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  navigate(location.pathname + (text ? `?${text}` : ""), { replace: true });
}

type LinkProps = Omit<JSX.HTMLAttributes<HTMLAnchorElement>, "href"> & { to: string; children?: ComponentChildren };

export function Link({ to, children, ...rest }: LinkProps): JSX.Element {
  const follow = (event: MouseEvent): void => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    navigate(to);
  };
  return (
    <a href={to} onClick={follow} {...rest}>
      {children}
    </a>
  );
}

export function executionPath(id: string, tab = ""): string {
  return `/executions/${encodeURIComponent(id).replaceAll("%3A", ":")}${tab ? `/${tab}` : ""}`;
}

export function componentPath(name: string): string {
  return `/components/${encodeURIComponent(name)}`;
}

export function submitPath(functionName: string, from?: string): string {
  const query = new URLSearchParams({ function: functionName, ...(from ? { from } : {}) });
  return `/submit?${query}`;
}
