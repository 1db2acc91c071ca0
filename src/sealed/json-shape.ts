/** Checks of JSON that other devices and the server hand us: a value of that shape, or SEJF_CORRUPT that says where. */
import { base64UrlToBytes, hexToBytes, type OwnedBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

/** One JSON object that is being read, with the name it has in errors. */
export class JsonShape {
  readonly #what: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  /** @throws SEJF_CORRUPT unless it is an object. */
  constructor(what: string, value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new SejfError("SEJF_CORRUPT", `${what} is no JSON object`);
    this.#what = what;
    this.#fields = value as Readonly<Record<string, unknown>>;
  }

  /** @throws SEJF_UNSUPPORTED_FORMAT for a higher version than `newest`. */
  version(newest: number): void {
    const v = this.integer("v");
    if (v > newest)
      throw new SejfError("SEJF_UNSUPPORTED_FORMAT", `${this.#what} has version ${v}`, {
        hint: `this program knows version ${newest}; use a newer one`,
      });
  }

  text(name: string): string {
    const value = this.#own(name);
    if (typeof value !== "string") throw this.wrong(name, "text");
    return value;
  }

  /** 0 or more. */
  integer(name: string): number {
    const value = this.#own(name);
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
      throw this.wrong(name, "an integer of 0 or more");
    return value;
  }

  /** base64url of so many bytes, or of any number. */
  bytes(name: string, length?: number): OwnedBytes {
    return this.#decoded(name, base64UrlToBytes, length);
  }

  /** Lower-case hex of so many bytes. */
  hex(name: string, length: number): string {
    const text = this.text(name);
    if (text !== text.toLowerCase()) throw this.wrong(name, "lower-case hex");
    this.#decoded(name, hexToBytes, length);
    return text;
  }

  flag(name: string): boolean {
    const value = this.#own(name);
    if (typeof value !== "boolean") throw this.wrong(name, "true or false");
    return value;
  }

  list(name: string): readonly unknown[] {
    const value = this.#own(name);
    if (!Array.isArray(value)) throw this.wrong(name, "a list");
    return value as readonly unknown[];
  }

  texts(name: string): readonly string[] {
    return this.list(name).map((value) => {
      if (typeof value !== "string") throw this.wrong(name, "a list of texts");
      return value;
    });
  }

  object(name: string): JsonShape {
    return new JsonShape(`"${name}" of ${this.#what}`, this.#own(name));
  }

  objects(name: string): readonly JsonShape[] {
    return this.list(name).map((value) => new JsonShape(`"${name}" of ${this.#what}`, value));
  }

  /** Every field of an object that is a map. */
  entries(name: string): readonly (readonly [string, unknown])[] {
    const value = this.#own(name);
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw this.wrong(name, "an object");
    return Object.entries(value);
  }

  has(name: string): boolean {
    return this.#own(name) !== undefined;
  }

  wrong(name: string, expected: string): SejfError {
    return new SejfError("SEJF_CORRUPT", `"${name}" of ${this.#what} is not ${expected}`);
  }

  #own(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  #decoded(name: string, decode: (text: string) => OwnedBytes, length?: number): OwnedBytes {
    const text = this.text(name);
    let bytes: OwnedBytes | undefined;
    try {
      bytes = decode(text);
    } catch {
      // Told below, without the text: it may be a secret.
    }
    if (bytes === undefined || (length !== undefined && bytes.length !== length))
      throw this.wrong(name, length === undefined ? "encoded bytes" : `${length} encoded bytes`);
    return bytes;
  }
}
