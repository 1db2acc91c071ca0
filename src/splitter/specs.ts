/** Kopia's splitter names and what each stands for. Spec: kopia-format.md 6. */
import { SejfError } from "../errors/index.ts";

/** `fixed` cuts after every `maxBytes`; the others where a hash of the last 64 bytes has zeros under `mask`. */
export type SplitterKind = "fixed" | "buzhash" | "rabinkarp";

/** The parameters behind a name; all sizes in bytes. */
export interface SplitterSpec {
  readonly name: string;
  readonly kind: SplitterKind;
  /** No cut before a segment has this many bytes. */
  readonly minBytes: number;
  /** A cut at the latest here. */
  readonly maxBytes: number;
  /** Average size minus one: a power of two minus one. */
  readonly mask: number;
}

/** The hash that decides on a cut sees this many bytes. Every minimum is far above it. */
export const WINDOW_BYTES = 64;

/** What new repositories use, in Kopia and here. */
export const DEFAULT_SPLITTER = "DYNAMIC-4M-BUZHASH";

const KIB = 1024;
const SIZES: readonly (readonly [label: string, bytes: number])[] = [
  ["128K", 128 * KIB],
  ["256K", 256 * KIB],
  ["512K", 512 * KIB],
  ["1M", 1024 * KIB],
  ["2M", 2048 * KIB],
  ["4M", 4096 * KIB],
  ["8M", 8192 * KIB],
];

/** Every name a repository may carry, with the two legacy ones last. */
export const SPLITTERS: readonly SplitterSpec[] = [
  ...SIZES.map(([label, bytes]) => fixed(`FIXED-${label}`, bytes)),
  ...SIZES.map(([label, bytes]) => dynamic(`DYNAMIC-${label}-BUZHASH`, "buzhash", bytes)),
  ...SIZES.map(([label, bytes]) => dynamic(`DYNAMIC-${label}-RABINKARP`, "rabinkarp", bytes)),
  fixed("FIXED", 4096 * KIB),
  dynamic("DYNAMIC", "buzhash", 4096 * KIB),
];

const BY_NAME: ReadonlyMap<string, SplitterSpec> = new Map(
  SPLITTERS.map((spec) => [spec.name, spec]),
);

/** The parameters of a splitter. @throws SEJF_UNSUPPORTED for a name Kopia does not have. */
export function splitterSpec(name: string): SplitterSpec {
  const spec = BY_NAME.get(name);
  if (spec === undefined) {
    throw new SejfError("SEJF_UNSUPPORTED", `unknown splitter "${name}"`, {
      hint: `known are names like ${DEFAULT_SPLITTER} and FIXED-1M`,
    });
  }
  return spec;
}

function fixed(name: string, bytes: number): SplitterSpec {
  return { name, kind: "fixed", minBytes: bytes, maxBytes: bytes, mask: bytes - 1 };
}

function dynamic(name: string, kind: SplitterKind, averageBytes: number): SplitterSpec {
  return {
    name,
    kind,
    minBytes: averageBytes / 2,
    maxBytes: averageBytes * 2,
    mask: averageBytes - 1,
  };
}
