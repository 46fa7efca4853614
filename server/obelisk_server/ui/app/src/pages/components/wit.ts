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
const TOKEN = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|%?[A-Za-z][\w-]*|[^A-Za-z/%]+|./g;
const DECLARING = new Set(["record", "variant", "enum", "flags", "resource", "type"]);

/** Names of types that the text declares. */
export function declared(text: string): Set<string> {
  return new Set(
    [...text.matchAll(/\b(?:record|variant|enum|flags|resource|type)\s+%?([a-z][\w-]*)/g)].map((found) => found[1]!),
  );
}

/** `functions` are the names, without interface, that have a page of their own. */
export function piecesOf(text: string, functions: ReadonlyMap<string, string>): Piece[] {
  const types = declared(text);
  const tokens = text.match(TOKEN) ?? [];
  let before = "";
  return tokens.map((token, index) => {
    const piece = pieceOf(token, before, tokens[index + 1] ?? "", types, functions);
    if (/^[%A-Za-z]/.test(token)) before = token;
    return piece;
  });
}

function pieceOf(
  token: string,
  before: string,
  after: string,
  types: Set<string>,
  functions: ReadonlyMap<string, string>,
): Piece {
  const name = token.replace(/^%/, "");
  if (token.startsWith("//") || token.startsWith("/*")) return { text: token, kind: "comment" };
  if (DECLARING.has(before) && types.has(name)) return { text: token, kind: "declared", target: name };
  const page = functions.get(name);
  if (page !== undefined && after.trimStart().startsWith(":")) return { text: token, kind: "function", target: page };
  if (KEYWORDS.has(token) && !after.startsWith(":")) return { text: token, kind: "keyword" };
  if (SCALARS.has(token)) return { text: token, kind: "scalar" };
  if (types.has(name) && !after.startsWith(":")) return { text: token, kind: "link", target: name };
  return { text: token, kind: "plain" };
}
