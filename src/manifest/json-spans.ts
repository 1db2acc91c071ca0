/**
 * Finds the members of a JSON object as pieces of its text, so that items of unknown types and numbers beyond 2^53
 * survive a rewrite as they are. Values are only skipped here; `JSON.parse` of the piece is what checks them.
 */
import { SejfError } from "../errors/index.ts";

/** Deeper nesting than any item has; stops a stack from being exhausted by `[[[[…`. */
const MAX_DEPTH = 256;

/** The values of an object by key, as text. A repeated key is an error. @throws SEJF_CORRUPT. */
export function objectMembers(text: string): ReadonlyMap<string, string> {
  const scanner = new Scanner(text);
  const members = new Map<string, string>();
  scanner.expect("{");
  if (!scanner.take("}")) {
    do {
      const key = JSON.parse(scanner.string()) as string;
      scanner.expect(":");
      if (members.has(key))
        throw malformed(`a second member ${JSON.stringify(key.slice(0, 40))}`, scanner.at);
      members.set(key, scanner.value(0));
    } while (scanner.take(","));
    scanner.expect("}");
  }
  scanner.end();
  return members;
}

/** The elements of an array, as text; none for `null`. @throws SEJF_CORRUPT. */
export function arrayElements(text: string): readonly string[] {
  if (text === "null") return [];
  const scanner = new Scanner(text);
  const elements: string[] = [];
  scanner.expect("[");
  if (!scanner.take("]")) {
    do elements.push(scanner.value(0));
    while (scanner.take(","));
    scanner.expect("]");
  }
  scanner.end();
  return elements;
}

function malformed(what: string, at: number): SejfError {
  return new SejfError("SEJF_CORRUPT", `malformed JSON: ${what} at position ${at}`);
}

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const TOKEN = /(?:-?[0-9][0-9.eE+-]*|true|false|null)/y;

class Scanner {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  take(character: string): boolean {
    this.#space();
    if (this.#text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  expect(character: string): void {
    if (!this.take(character)) throw malformed(`expected ${character}`, this.at);
  }

  end(): void {
    this.#space();
    if (this.at !== this.#text.length) throw malformed("more behind the end", this.at);
  }

  /** A string with its quotes. */
  string(): string {
    this.#space();
    const text = this.#match(STRING);
    if (text === undefined) throw malformed("expected a string", this.at);
    try {
      JSON.parse(text);
    } catch {
      throw malformed("a bad escape before", this.at);
    }
    return text;
  }

  /** One value of any kind. */
  value(depth: number): string {
    this.#space();
    const start = this.at;
    const first = this.#text[start];
    if (depth > MAX_DEPTH) throw malformed(`more than ${MAX_DEPTH} levels`, start);
    if (first === "{") this.#skip("}", depth, true);
    else if (first === "[") this.#skip("]", depth, false);
    else if (first === '"') this.string();
    else if (this.#match(TOKEN) === undefined) throw malformed("expected a value", start);
    return this.#text.slice(start, this.at);
  }

  #skip(close: string, depth: number, keys: boolean): void {
    this.at++;
    if (this.take(close)) return;
    do {
      if (keys) {
        this.string();
        this.expect(":");
      }
      this.value(depth + 1);
    } while (this.take(","));
    this.expect(close);
  }

  #space(): void {
    SPACE.lastIndex = this.at;
    SPACE.test(this.#text);
    this.at = SPACE.lastIndex;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }
}
