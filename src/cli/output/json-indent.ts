/**
 * JSON spread over lines as Kopia does, the tokens left as they are: numbers beyond 2^53, escapes and the order of
 * members survive. Reference: Go encoding/json Indent.
 */
import { SejfError } from "../../errors/index.ts";

const TOKEN = /[{}[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+/gs;

/** Two spaces a level; white space behind the value stays, as with Go. @throws SEJF_CORRUPT for what is no JSON; `what` names it. */
export function indentJson(text: string, what: string): string {
  try {
    JSON.parse(text);
  } catch {
    throw new SejfError("SEJF_CORRUPT", `${what} is not JSON`);
  }
  let depth = 0;
  let isEmpty = false;
  let result = "";
  const newline = (): string => `\n${"  ".repeat(depth)}`;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "}" || token === "]") {
      depth--;
      result += (isEmpty ? "" : newline()) + token;
      isEmpty = false;
      continue;
    }
    if (isEmpty) result += newline();
    isEmpty = token === "{" || token === "[";
    if (isEmpty) depth++;
    result += token;
    if (token === ",") result += newline();
    if (token === ":") result += " ";
  }
  return result + (/\s*$/.exec(text)?.[0] ?? "");
}
