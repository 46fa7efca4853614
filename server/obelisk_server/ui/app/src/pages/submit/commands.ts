/** The same submit, typed in a shell. */

import { type Json, type JsonObject, printJson } from "../../values/json.ts";

const PLAIN = /^[\w@%+=:,./-]+$/;

/** As one word of a POSIX shell. */
export function quoted(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export type Submit = {
  function: string;
  params: Json[];
  id?: string;
  tags?: Record<string, string>;
  due?: string;
  deadline?: string;
  paused?: boolean;
};

export function bodyOf(submit: Submit): JsonObject {
  return Object.fromEntries(Object.entries(submit).filter(([, value]) => value !== undefined)) as JsonObject;
}

export function curl(origin: string, submit: Submit, token: boolean): string {
  const lines = [`curl ${quoted(`${origin}/v1/executions`)}`, `-H 'content-type: application/json'`];
  if (token) lines.push(`-H "authorization: Bearer $OBELISK_TOKEN"`);
  lines.push(`-d ${quoted(printJson(bodyOf(submit)))}`);
  return lines.join(" \\\n  ");
}

export function cli(origin: string, submit: Submit): string {
  const options: string[] = [];
  if (submit.id) options.push(`--id ${quoted(submit.id)}`);
  for (const [key, value] of Object.entries(submit.tags ?? {})) options.push(`--tag ${quoted(`${key}=${value}`)}`);
  if (submit.due) options.push(`${/^\d{4}-/.test(submit.due) ? "--at" : "--in"} ${quoted(submit.due)}`);
  if (submit.deadline) options.push(`--deadline ${quoted(submit.deadline)}`);
  if (submit.paused) options.push("--paused");
  options.push(`--server ${quoted(origin)}`);
  const call = `obelisk execution submit ${quoted(submit.function)} ${quoted(printJson(submit.params))}`;
  return [call, ...options].join(" \\\n  ");
}

/** `user=ann, team=blue` as tags. Throws SyntaxError. */
export function tagsOf(text: string): Record<string, string> | undefined {
  const pairs = text.split(/[\s,]+/).filter(Boolean);
  const tags = pairs.map((pair): [string, string] => {
    const equals = pair.indexOf("=");
    if (equals < 1) throw new SyntaxError(`${pair} is no tag; expected key=value`);
    return [pair.slice(0, equals), pair.slice(equals + 1)];
  });
  return tags.length ? Object.fromEntries(tags) : undefined;
}
