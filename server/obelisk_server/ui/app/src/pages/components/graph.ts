/** Who calls whom: components in columns, callers left of what they call. */

import type { ComponentItem } from "../../wire/shapes.ts";

type Edge = { from: string; to: string; functions: string[] };
export type Placed = { name: string; column: number; row: number };
export type Graph = { nodes: Placed[]; edges: Edge[]; columns: number; rows: number };

const DERIVED = /-obelisk-(?:ext|schedule|stub)(?=\/)/;

/** `ns:package-obelisk-ext/interface.…` speaks of `ns:package/interface`. */
function interfaceOf(imported: string): string {
  const name = imported.slice(0, imported.indexOf(": "));
  return name.slice(0, name.lastIndexOf(".")).replace(DERIVED, "");
}

export function edgesOf(components: ComponentItem[]): Edge[] {
  const owners = new Map<string, string>();
  for (const component of components) {
    for (const { function: name } of component.exports)
      owners.set(name.slice(0, name.lastIndexOf(".")), component.name);
  }
  return components.flatMap((component) => {
    const called = new Map<string, Set<string>>();
    for (const imported of component.imports) {
      const owner = owners.get(interfaceOf(imported));
      if (owner === undefined) continue;
      const functions = called.get(owner) ?? new Set();
      called.set(owner, functions.add(interfaceOf(imported)));
    }
    return [...called].map(([to, functions]) => ({ from: component.name, to, functions: [...functions].sort() }));
  });
}

/** Of the components that call one another; the others have nothing to show. */
export function graphOf(all: ComponentItem[]): Graph {
  const edges = edgesOf(all);
  const joined = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const components = all.filter(({ name }) => joined.has(name));
  const columns = new Map(components.map((component) => [component.name, 0]));
  // a component is right of all that call it; calls in a circle end after as many rounds as there are components
  for (let round = 0; round < components.length; round += 1) {
    let changed = false;
    for (const { from, to } of edges) {
      const wanted = columns.get(from)! + 1;
      if (from !== to && columns.get(to)! < wanted && wanted < components.length) {
        columns.set(to, wanted);
        changed = true;
      }
    }
    if (!changed) break;
  }
  const filled: number[] = [];
  const nodes = components.map(({ name }) => {
    const column = columns.get(name)!;
    const row = filled[column] ?? 0;
    filled[column] = row + 1;
    return { name, column, row };
  });
  return { nodes, edges, columns: filled.length, rows: Math.max(0, ...filled.map((count) => count ?? 0)) };
}
