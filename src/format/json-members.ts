/**
 * JSON documents as Go reads and writes them: member names match without regard to case, integers keep all their
 * digits, and members this program does not know survive a rewrite.
 */
import {
  base64ToBytes,
  bytesToUtf8,
  goJson,
  type OwnedBytes,
  parseTimestamp,
  type TimestampNs,
  utf8ToBytes,
} from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

/** Members of a JSON object that this program does not know; kept when the object is written again. */
export type UnknownMembers = Readonly<Record<string, unknown>>;

/** No document of the lower formats comes near it. */
const MAX_DOCUMENT_BYTES = 16 << 20;
const INT64_MAX = 2n ** 63n - 1n;

/** What newer engines offer and the type library does not know yet. */
interface JsonWithSource {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): object;
}
const JSON_WITH_SOURCE: JsonWithSource = JSON as unknown as JsonWithSource;

/**
 * A JSON object and how its members are read. `what` names it in errors: `kopia.repository`.
 * Integers beyond 2^53 are bigints in `unknown`.
 */
export class JsonObject {
  readonly #what: string;
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #known = new Set<string>();

  private constructor(what: string, members: Readonly<Record<string, unknown>>) {
    this.#what = what;
    this.#members = members;
  }

  /** @throws SEJF_CORRUPT when the bytes are not one JSON object. */
  static decode(bytes: Uint8Array, what: string): JsonObject {
    if (bytes.byteLength > MAX_DOCUMENT_BYTES)
      throw corrupt(what, `is ${bytes.byteLength} bytes, expected ${MAX_DOCUMENT_BYTES} at most`);
    let value: unknown;
    try {
      value = JSON_WITH_SOURCE.parse(bytesToUtf8(bytes), keepBigIntegers);
    } catch (error) {
      // also a RangeError, from nesting deeper than the stack
      throw new SejfError("SEJF_CORRUPT", `${what} is not JSON`, { cause: error });
    }
    return JsonObject.#of(value, what);
  }

  static #of(value: unknown, what: string): JsonObject {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw corrupt(what, "is not a JSON object");
    return new JsonObject(what, value as Readonly<Record<string, unknown>>);
  }

  /** Empty when absent. @throws SEJF_CORRUPT for another type; so do all readers below. */
  string(name: string): string {
    return this.optionalString(name) ?? "";
  }

  optionalString(name: string): string | undefined {
    const value = this.#take(name);
    if (value === undefined || typeof value === "string") return value;
    throw this.#wrong(name, "a string");
  }

  boolean(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value === "boolean") return value;
    throw this.#wrong(name, "true or false");
  }

  /** Base64; empty when absent. */
  bytes(name: string): OwnedBytes {
    try {
      return base64ToBytes(this.string(name));
    } catch (error) {
      throw new SejfError("SEJF_CORRUPT", `${this.#what}: member ${name} is not base64`, {
        cause: error,
      });
    }
  }

  /** An integer from 0 to 2^53; 0 when absent. */
  count(name: string): number {
    const value = this.#take(name) ?? 0;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.#wrong(name, "an integer of 0 or more");
  }

  /** A duration or any other int64; 0 when absent. */
  bigint(name: string): bigint {
    const value = this.#take(name) ?? 0;
    if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
    if (typeof value === "bigint" && value <= INT64_MAX && value >= -INT64_MAX - 1n) return value;
    throw this.#wrong(name, "a 64-bit integer");
  }

  time(name: string): TimestampNs {
    try {
      return parseTimestamp(this.string(name));
    } catch (error) {
      throw new SejfError("SEJF_CORRUPT", `${this.#what}: member ${name} is not a time`, {
        cause: error,
      });
    }
  }

  /** An empty object when absent. */
  object(name: string): JsonObject {
    return this.optionalObject(name) ?? new JsonObject(`${this.#what}.${name}`, {});
  }

  optionalObject(name: string): JsonObject | undefined {
    const value = this.#take(name);
    return value === undefined ? undefined : JsonObject.#of(value, `${this.#what}.${name}`);
  }

  /** Objects; none when absent. */
  objects(name: string): readonly JsonObject[] {
    return this.#array(name).map((value, i) =>
      JsonObject.#of(value, `${this.#what}.${name}[${i}]`),
    );
  }

  strings(name: string): readonly string[] {
    return this.#array(name).map((value) => {
      if (typeof value === "string") return value;
      throw this.#wrong(name, "strings");
    });
  }

  /** The members that none of the readers above asked for: call it last. */
  get unknown(): UnknownMembers {
    return Object.fromEntries(
      Object.entries(this.#members).filter(([name]) => !this.#known.has(name.toLowerCase())),
    );
  }

  #array(name: string): readonly unknown[] {
    const value = this.#take(name) ?? [];
    if (Array.isArray(value)) return value;
    throw this.#wrong(name, "an array");
  }

  /** The exact name before any other spelling, and of those the last; null is as good as absent. */
  #take(name: string): unknown {
    const lower = name.toLowerCase();
    this.#known.add(lower);
    if (Object.hasOwn(this.#members, name)) return this.#members[name] ?? undefined;
    const other = Object.keys(this.#members).findLast((each) => each.toLowerCase() === lower);
    return other === undefined ? undefined : (this.#members[other] ?? undefined);
  }

  #wrong(name: string, expected: string): SejfError {
    return corrupt(this.#what, `has a member ${name} that is not ${expected}`);
  }
}

/** Bytes of a document in the order of its members; undefined ones are left out, bigints are numbers. */
export function encodeJson(value: object, indentSpaces?: number): OwnedBytes {
  return utf8ToBytes(goJson(withRawIntegers(value), indentSpaces));
}

/** Go's `omitempty`: undefined for zero, false, an empty string or an empty array. */
export function omitEmpty<T extends number | bigint | string | boolean | readonly unknown[]>(
  value: T,
): T | undefined {
  if (typeof value === "object") return value.length === 0 ? undefined : value;
  return value ? value : undefined;
}

function keepBigIntegers(
  _key: string,
  value: unknown,
  context: { readonly source?: string },
): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context.source ?? "";
  return /^-?\d+$/.test(source) && source.length < 40 ? BigInt(source) : value;
}

function withRawIntegers(value: unknown): unknown {
  if (typeof value === "bigint") return JSON_WITH_SOURCE.rawJSON(value.toString());
  if (Array.isArray(value)) return value.map(withRawIntegers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, withRawIntegers(member)]),
  );
}

function corrupt(what: string, finding: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `${what} ${finding}`);
}
