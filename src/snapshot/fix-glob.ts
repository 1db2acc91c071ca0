/** Patterns of names as Go's `path.Match` has them: `*`, `?`, `[a-z]`, `[^x]`, `\c`. They match whole names. */
import { SejfError } from "../errors/index.ts";

/** @throws SEJF_INVALID_ARGUMENT for a pattern that is not complete. */
export function compileGlob(pattern: string): RegExp {
  const characters = Array.from(pattern);
  let source = "";
  let at = 0;
  const next = (): string => {
    const character = characters[at++];
    if (character === undefined) throw malformed(pattern);
    return character;
  };
  const member = (): string => {
    const character = next();
    if (character === "-" || character === "]") throw malformed(pattern);
    return character === "\\" ? next() : character;
  };
  const set = (): string => {
    const negated = characters[at] === "^";
    if (negated) at++;
    let members = "";
    do {
      const low = member();
      if (characters[at] !== "-") {
        members += escaped(low);
        continue;
      }
      at++;
      const high = member();
      if ((low.codePointAt(0) ?? 0) <= (high.codePointAt(0) ?? 0))
        members += `${escaped(low)}-${escaped(high)}`;
    } while (characters[at] !== "]");
    at++;
    if (members === "") return negated ? "." : "(?!)";
    return negated ? `[^${members}]` : `[${members}]`;
  };
  while (at < characters.length) {
    const character = next();
    if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (character === "[") source += set();
    else source += escaped(character === "\\" ? next() : character);
  }
  return new RegExp(`^${source}$`, "su");
}

/** As a code point, which means itself everywhere in a pattern. */
function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

function malformed(pattern: string): SejfError {
  return new SejfError(
    "SEJF_INVALID_ARGUMENT",
    `${JSON.stringify(pattern)} is not a complete pattern`,
  );
}
