/** The `mode` of a directory entry: octal with setuid, setgid and sticky at Go's positions. Spec: kopia-snapshots 3.3. */
import { corrupt, shown } from "./json-fields.ts";

const SPECIAL_BITS: readonly (readonly [unix: number, go: number])[] = [
  [0o4000, 0o40000000],
  [0o2000, 0o20000000],
  [0o1000, 0o4000000],
];

/** Empty for 0, which is left out of the JSON. */
export function formatMode(mode: number): string {
  const permissions = mode & 0o777;
  if ((mode & 0o7000) === 0) return permissions === 0 ? "" : `0${permissions.toString(8)}`;
  let go = permissions;
  for (const [unix, bit] of SPECIAL_BITS) if ((mode & unix) !== 0) go |= bit;
  return `0${go.toString(8)}`;
}

/** Modes met before: a tree has only a handful. */
const known: Map<string, number> = new Map();
const MAX_KNOWN = 1024;

/** Unix bits; other bits than Go's permission bits are dropped. @throws SEJF_CORRUPT. */
export function parseMode(text: unknown): number {
  if (text === undefined || text === "") return 0;
  if (
    typeof text !== "string" ||
    !/^(?:0[oO]?[0-7]{1,16}|0[xX][0-9a-fA-F]{1,12}|0|[1-9][0-9]{0,14})$/.test(text)
  ) {
    throw corrupt(`mode is ${shown(text)}`);
  }
  const value = /^0[0-7]/.test(text) ? Number.parseInt(text, 8) : Number(text);
  let mode = value % 0o1000;
  for (const [unix, bit] of SPECIAL_BITS) if (Math.floor(value / bit) % 2 === 1) mode |= unix;
  if (known.size < MAX_KNOWN) known.set(text, mode);
  return mode;
}
