const UNITS = ["B", "kB", "MB", "GB"];

/** `18.4 MB`. */
export function size(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1_000 ** power;
  return `${power && value < 10 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[power]}`;
}
