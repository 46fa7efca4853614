/** WIT text in pieces for people: comments, keywords, names that are declared and names that lead to a declaration. */

type Piece = {
  text: string;
  kind: "plain" | "comment" | "keyword" | "scalar" | "declared" | "link" | "function";
  target?: string;
};

const KEYWORDS = new Set(
  "package interface world import export use type record variant enum flags resource func static constructor include with as own borrow".split(
    " ",
  ),
);
const SCALARS = new Set("bool s8 s16 s32 s64 u8 u16 u32 u64 f32 f64 char string list option result tuple _".split(" "));
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|%?[A-Za-z][\w-]*|[^A-Za-z/%]+|./g;
const HEADER = /\bpackage\s+([^\s;{]+)|\b(?:interface|world)\s+%?([A-Za-z][\w-]*)\s*\{/g;
const USE = /\buse\s+([^\s;{]+)\.\{([^}]*)\}/g;
const USED = /%?([A-Za-z][\w-]*)(?:\s+as\s+%?([A-Za-z][\w-]*))?/g;
const DECLARATION = /\b(?:record|variant|enum|flags|resource|type)\s+%?([A-Za-z][\w-]*)/g;
const DECLARING = new Set(["record", "variant", "enum", "flags", "resource", "type"]);

/** `wasi:io@0.2.9` and `poll` as functions call it: `wasi:io/poll@0.2.9`. */
function interfaceOf(packageName: string, name: string): string {
  const [base, version] = packageName.split("@");
  return `${base}/${name}${version === undefined ? "" : `@${version}`}`;
}

/** An interface or a world, from its header to the next one. */
type Scope = { packageName: string; name: string; from: number; to: number };

function scopesOf(text: string): Scope[] {
  const scopes: Scope[] = [];
  let packageName = "";
  for (const { 1: ofPackage, 2: name, index } of text.matchAll(HEADER)) {
    const last = scopes.at(-1);
    if (last) last.to = Math.min(last.to, index);
    if (ofPackage !== undefined) packageName = ofPackage;
    else scopes.push({ packageName, name: interfaceOf(packageName, name!), from: index, to: text.length });
  }
  return scopes;
}

/** Which names of types mean which declaration: two interfaces may each have an `error`, or use each other's. */
class Types {
  private readonly declared = new Set<string>();
  /** by what the name is where it is used */
  private readonly used = new Map<string, string>();

  constructor(text: string, scopes: Scope[]) {
    for (const { packageName, name, from, to } of scopes) {
      const body = text.slice(from, to);
      for (const [, type] of body.matchAll(DECLARATION)) this.declared.add(`${name}.${type}`);
      for (const [, path = "", names = ""] of body.matchAll(USE)) {
        const source = path.includes(":") ? path : interfaceOf(packageName, path);
        for (const [, type, alias = type] of names.matchAll(USED))
          this.used.set(`${name}.${alias}`, `${source}.${type}`);
      }
    }
  }

  /** Undefined: there is no such type in the text. */
  target(scope: string, name: string): string | undefined {
    let full = `${scope}.${name}`;
    for (let step = 0; step < this.used.size && this.used.has(full); step += 1) full = this.used.get(full)!;
    return this.declared.has(full) ? full : undefined;
  }
}

/** `functions` are those that have a page of their own: `interface.name`, which is also the target of a piece. */
export function piecesOf(text: string, functions: ReadonlySet<string>): Piece[] {
  const code = text.replace(COMMENT, (comment) => " ".repeat(comment.length));
  const scopes = scopesOf(code);
  const types = new Types(code, scopes);
  const tokens = text.match(TOKEN) ?? [];
  let before = "";
  let at = 0;
  let scope = -1;
  return tokens.map((token, index): Piece => {
    while (scope + 1 < scopes.length && scopes[scope + 1]!.from <= at) scope += 1;
    const after = (tokens[index + 1] ?? "") + (tokens[index + 2] ?? "");
    const piece = pieceOf(token, before, after, scopes[scope]?.name ?? "", types, functions);
    if (/^[%A-Za-z]/.test(token)) before = token;
    at += token.length;
    return piece;
  });
}

function pieceOf(
  token: string,
  before: string,
  after: string,
  scope: string,
  types: Types,
  functions: ReadonlySet<string>,
): Piece {
  if (token.startsWith("//") || token.startsWith("/*")) return { text: token, kind: "comment" };
  const name = token.replace(/^%/, "");
  const target = types.target(scope, name);
  if (DECLARING.has(before) && target !== undefined) return { text: token, kind: "declared", target };
  const full = `${scope}.${name}`;
  if (functions.has(full) && /^\s*:\s*func\b/.test(after)) return { text: token, kind: "function", target: full };
  if (KEYWORDS.has(token) && !after.startsWith(":")) return { text: token, kind: "keyword" };
  if (SCALARS.has(token)) return { text: token, kind: "scalar" };
  // before these it is the name of a field, an interface or a package
  if (target !== undefined && !/^[:.@/]/.test(after)) return { text: token, kind: "link", target };
  return { text: token, kind: "plain" };
}
