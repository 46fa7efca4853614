/** What the server lets this token do; without a token, or if the server does not say, everything is offered. */

import { get, hasToken } from "./client.ts";

type Rights = { operations: string[]; functions: string[] | null };

let operations: ReadonlySet<string> | null = null;
let functions: string[] | null = null;

/** Before anything is drawn that depends on it. */
export async function learnRights(): Promise<void> {
  if (!hasToken()) return;
  try {
    const rights = await get<Rights>("/v1/caller");
    operations = new Set(rights.operations);
    functions = rights.functions;
  } catch {
    // what is wrong, the first page says
  }
}

/** Whether this token sees only some functions. */
export function limited(): boolean {
  return functions !== null;
}

/** Whether an operation of the API, by its name there, would not be refused to this token as such. */
export function may(operation: string): boolean {
  return operations === null || operations.has(operation);
}
