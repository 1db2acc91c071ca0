/**
 * Ignore patterns: compiled to tokens, matched against paths that begin with `/`. Close to gitignore, but not the
 * same; every difference is Kopia's and a backup depends on it. Spec: kopia-snapshots 4.8.
 */
import { utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

type CharacterTest = (character: string) => boolean;

type Token =
  | { readonly kind: "literal"; readonly character: string }
  | { readonly kind: "slash" | "any" | "star" | "stars" }
  | { readonly kind: "set"; readonly negated: boolean; readonly matches: CharacterTest };

const SLASH: Token = { kind: "slash" };
const STARS: Token = { kind: "stars" };
const STAR: Token = { kind: "star" };
const ANY: Token = { kind: "any" };

type Outcome = "match" | "none" | "abort" | "abort-to-stars";

export interface IgnorePattern {
  /** `!` in front: it can only take back that a path is ignored. */
  readonly negated: boolean;
  /**
   * Whether a path is ignored by this rule, which is only asked when it could change that: a plain rule of a path not
   * yet ignored, a negated one of a path that is. `path` in characters, begins with `/`.
   */
  ignores(path: readonly string[], isDirectory: boolean): boolean;
}

/**
 * `baseDirectory` is where the rule stands, `""` for the snapshot's root, else `/a/b`.
 * @throws SEJF_INVALID_ARGUMENT for a set without an end, an unknown class, a backslash at the end.
 */
export function compileIgnorePattern(text: string, baseDirectory: string): IgnorePattern {
  const { tokens, negated, directoryOnly } = new Compiler(text, baseDirectory);
  return {
    negated,
    ignores(path, isDirectory): boolean {
      if (directoryOnly && !isDirectory) return negated;
      return (matchTokens(tokens, 0, path, 0) === "match") !== negated;
    },
  };
}

const SPACE = /^\p{White_Space}$/u;
const SPACE_AROUND = /^\p{White_Space}+|\p{White_Space}+$/gu;

class Compiler {
  readonly tokens: Token[] = [];
  readonly negated: boolean;
  readonly directoryOnly: boolean;
  readonly #raw: string;
  readonly #text: readonly string[];
  #at = 0;

  constructor(raw: string, baseDirectory: string) {
    this.#raw = raw;
    const pattern = trimmed(raw);
    const text = Array.from(pattern);
    while (SPACE.test(text[this.#at] ?? "")) this.#at++;
    this.negated = text[this.#at] === "!";
    if (this.negated) this.#at++;
    const slash = text.indexOf("/", this.#at);
    if (pattern !== "")
      this.#emitPrefix(
        pattern,
        slash === this.#at,
        slash === -1 || slash === text.length - 1,
        baseDirectory,
      );
    this.directoryOnly = text.at(-1) === "/";
    this.#text = this.directoryOnly ? text.slice(0, -1) : text;
    while (this.#at < this.#text.length) this.#compileOne();
  }

  /** What stands in front of the written pattern. */
  #emitPrefix(pattern: string, rooted: boolean, anyDepth: boolean, baseDirectory: string): void {
    for (const character of baseDirectory)
      this.tokens.push(character === "/" ? SLASH : { kind: "literal", character });
    if (baseDirectory !== "" && !rooted) this.tokens.push(SLASH);
    if (rooted || pattern === "**") return;
    if (anyDepth) this.tokens.push(STARS, SLASH);
    else if (baseDirectory === "") this.tokens.push(SLASH);
  }

  #compileOne(): void {
    const character = this.#text[this.#at++] as string;
    if (character === "\\") this.tokens.push({ kind: "literal", character: this.#escaped() });
    else if (character === "*") this.tokens.push(this.#stars());
    else if (character === "[") this.tokens.push(this.#set());
    else
      this.tokens.push(
        character === "/" ? SLASH : character === "?" ? ANY : { kind: "literal", character },
      );
  }

  #escaped(): string {
    const character = this.#text[this.#at++];
    if (character === undefined)
      throw this.#bad("ends in a backslash", "write \\\\ for a backslash that is meant as such");
    return character;
  }

  /** A run of two or more is `**` only where it stands alone between slashes. */
  #stars(): Token {
    const before = this.#text[this.#at - 2];
    if (this.#text[this.#at] !== "*") return STAR;
    while (this.#text[this.#at] === "*") this.#at++;
    const after = this.#text[this.#at];
    return before === undefined || (before === "/" && (after === undefined || after === "/"))
      ? STARS
      : STAR;
  }

  #set(): Token {
    const negated = this.#text[this.#at] === "!";
    if (negated) this.#at++;
    const tests: CharacterTest[] = [];
    while (this.#text[this.#at] !== "]") {
      if (this.#at >= this.#text.length)
        throw this.#bad(
          "has a set without an end",
          "write \\[ for a bracket that is meant as such",
        );
      tests.push(this.#setMember());
    }
    this.#at++;
    return { kind: "set", negated, matches: (character) => tests.some((test) => test(character)) };
  }

  #setMember(): CharacterTest {
    const written = this.#text[this.#at++] as string;
    const low = written === "\\" ? this.#escaped() : written;
    const next = this.#text[this.#at + 1];
    if (this.#text[this.#at] === "-" && next !== "]" && next !== undefined) {
      this.#at += 2;
      return rangeTest(low, next === "\\" ? this.#escaped() : next);
    }
    return (low === "[" ? this.#characterClass() : undefined) ?? ((character) => character === low);
  }

  /**
   * `[:name:]` behind its first bracket, which is then read. NOTE: the reference compares the distance to the closing
   * bracket with a position in the whole pattern, so that a class far from the beginning is taken letter by letter.
   */
  #characterClass(): CharacterTest | undefined {
    if (this.#text[this.#at] !== ":") return undefined;
    const distance = this.#text.indexOf("]", this.#at) - this.#at;
    if (distance < 0)
      throw this.#bad("has a set without an end", "write \\[ for a bracket that is meant as such");
    if (distance - 1 <= this.#at || this.#text[this.#at + distance - 1] !== ":") return undefined;
    const name = this.#text
      .slice(this.#at + 1, this.#at + distance - 1)
      .join("")
      .toLowerCase();
    const pattern = CLASSES.get(name);
    if (pattern === undefined) throw this.#bad(`has the unknown class [:${name}:]`);
    this.#at += distance + 1;
    return (character) => pattern.test(character);
  }

  #bad(what: string, hint?: string): SejfError {
    return new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `ignore rule ${JSON.stringify(this.#raw)} ${what}`,
      { hint },
    );
  }
}

/** Blanks at both ends go, unless the pattern is short or the last one is escaped. */
function trimmed(raw: string): string {
  const bytes = utf8ToBytes(raw);
  return bytes.length > 2 && bytes[bytes.length - 2] !== 0x5c
    ? raw.replaceAll(SPACE_AROUND, "")
    : raw;
}

function rangeTest(low: string, high: string): CharacterTest {
  const [from, to] = [low.codePointAt(0) as number, high.codePointAt(0) as number];
  return (character) => {
    const code = character.codePointAt(0) as number;
    return code >= from && code <= to;
  };
}

/** By Go's Unicode tables. */
const CLASSES: ReadonlyMap<string, RegExp> = new Map([
  ["alnum", /[\p{L}\p{Nd}]/u],
  ["alpha", /\p{L}/u],
  // oxlint-disable-next-line no-control-regex -- ASCII has control characters
  ["ascii", /[\0-\x7f]/],
  ["blank", /[\p{Zs}\t]/u],
  ["cntrl", /\p{Cc}/u],
  ["digit", /\p{Nd}/u],
  ["graph", /[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]/u],
  ["lower", /\p{Ll}/u],
  ["print", /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u],
  ["punct", /[\p{P}\p{S}]/u],
  ["space", /\p{White_Space}/u],
  ["upper", /\p{Lu}/u],
  ["xdigit", /[A-Fa-f\p{Nd}]/u],
]);

function matchTokens(
  tokens: readonly Token[],
  tokenStart: number,
  text: readonly string[],
  textStart: number,
): Outcome {
  let at = textStart;
  for (let index = tokenStart; index < tokens.length; index++, at++) {
    const token = tokens[index] as Token;
    const star = token.kind === "star" || token.kind === "stars";
    if (at >= text.length && !star) return "abort";
    if (star) return matchStar(tokens, index, text, at);
    if (!matchesOne(token, text[at] as string)) return "none";
  }
  return at === text.length ? "match" : "none";
}

function matchesOne(token: Token, character: string): boolean {
  switch (token.kind) {
    case "literal":
      return token.character === character;
    case "slash":
      return character === "/";
    case "any":
      return character !== "/";
    case "set":
      return token.matches(character) !== token.negated;
    case "star":
    case "stars":
      return false;
  }
}

function matchStar(
  tokens: readonly Token[],
  index: number,
  text: readonly string[],
  textStart: number,
): Outcome {
  const double = tokens[index]?.kind === "stars";
  let at = textStart;
  if (index === tokens.length - 1) return double || !text.includes("/", at) ? "match" : "none";
  const slashNext = tokens[index + 1]?.kind === "slash";
  if (double && slashNext && index + 2 < tokens.length) {
    // Between two slashes it may stand for nothing at all.
    const outcome = matchTokens(tokens, index + 2, text, at);
    if (outcome === "match") return outcome;
  } else if (!double && slashNext) {
    const slash = text.indexOf("/", at);
    if (slash === -1) return "none";
    at = slash;
    return matchTokens(tokens, index + 1, text, at);
  }
  let examined = text[at];
  while (at < text.length) {
    const outcome = matchTokens(tokens, index + 1, text, at);
    if (outcome !== "none" && !(double && outcome === "abort-to-stars")) return outcome;
    if (!double && examined === "/") return "abort-to-stars";
    examined = text[at];
    at++;
  }
  return "abort";
}
