/** Checked access to parsed JSON from a repository: every field has the type it should have, or the data is corrupt. */
import { goJson, goJsonString, parseTimestamp, type TimestampNs } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** `what` names the object: `directory entry 5`. All throw SEJF_CORRUPT. */
export function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw corrupt(`${what} is not an object`);
  return value as JsonObject;
}

/**
 * The members that are none of the `known`; `undefined` where there are none. Nearly always so: it costs little more than
 * counting.
 */
export function unknownMembers(json: JsonObject, known: readonly string[]): JsonObject | undefined {
  let count = 0;
  for (const _ in json) count++;
  for (const key of known) if (json[key] !== undefined) count--;
  if (count === 0) return undefined;
  return Object.fromEntries(Object.entries(json).filter(([key]) => !known.includes(key)));
}

/** Such members behind others of an object: `,"key":value` for each. */
export function unknownText(unknown: JsonObject | undefined): string {
  if (unknown === undefined) return "";
  return Object.entries(unknown)
    .map(([key, value]) => `,${goJsonString(key)}:${goJson(value)}`)
    .join("");
}

/** An array; `null` and absence are an empty one, as Go has it. */
export function asArray(value: unknown, what: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw corrupt(`${what} is not a list`);
  return value as readonly unknown[];
}

/** Empty when absent. */
export function asText(value: unknown, what: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw corrupt(`${what} is not a text`);
  return value;
}

/** A whole number from 0 to 2^53; 0 when absent. */
export function asCount(value: unknown, what: string): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw corrupt(`${what} is ${shown(value)}, expected a whole number`);
  return value;
}

/** The epoch when absent. */
export function asTime(value: unknown, what: string): TimestampNs {
  if (value === undefined || value === null) return 0n;
  if (typeof value !== "string") throw corrupt(`${what} is not a time`);
  return parseTimestamp(value);
}

export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 80);
}

export function corrupt(message: string): SejfError {
  return new SejfError("SEJF_CORRUPT", message);
}
