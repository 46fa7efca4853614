/** At which version of its history the debugger stands: in memory while somebody steps, in the address when that has settled. */

import { useEffect, useRef, useState } from "preact/hooks";
import { setQuery, usePlace } from "../../router.tsx";

/** Who steps fast wants the last step only. */
export const SETTLE_MS = 150;

/** From an address; what is no version there is the first one. */
export function versionOf(text: string | null): number {
  const version = Math.floor(Number(text ?? 0));
  return version > 0 ? version : 0;
}

export function clamped(version: number, last: number): number {
  return Math.max(0, Math.min(version, last));
}

/** `move` is told where it stands, also when it is called again before anything is drawn. */
export function useVersion(last: number): [number, (step: (version: number) => number) => void] {
  const asked = usePlace().query.get("version");
  const [wanted, setWanted] = useState(() => clamped(versionOf(asked), last));
  const written = useRef(asked);
  useEffect(() => {
    if (asked !== written.current) setWanted(clamped(versionOf(asked), last));
    written.current = asked;
  }, [asked]);
  useEffect(() => {
    if (wanted === versionOf(written.current)) return;
    const timer = setTimeout(() => {
      written.current = String(wanted);
      setQuery({ version: written.current });
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [wanted]);
  return [wanted, (step) => setWanted((old) => clamped(step(old), last))];
}
