/**
 * What the members of a group have to do alike so that equal data become equal contents: cuts, compressor and its
 * version, the least size. Spec: sealed 4, 6, 7.
 */
import { versions } from "node:process";
import { type CompressorId, compressorByName, COMPRESSORS } from "../compress/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import { nodeCompressionEngine } from "../node/index.ts";
import { createSealedSplitter, deriveSplitterSecrets, type GroupParams } from "../sealed/index.ts";
import { DEFAULT_SPLITTER } from "../splitter/index.ts";
import type { DeviceGroup } from "./account.ts";
import type { SharedSealing } from "./sealed-contents.ts";

/** Chunks below are sealed under the private secret: a form with a short unknown number is not to be guessed. */
export const DEFAULT_MIN_SIZE: number = 32 << 10;
export const DEFAULT_GROUP_COMPRESSION = "zstd-fastest";
export const NO_COMPRESSION = "none";

const NO_SECRET = new Uint8Array(32);

/** As somebody wishes it who makes a group. */
export type GroupWishes = Partial<Omit<GroupParams, "compressionVersion">>;

/** With what was left open. @throws SEJF_UNSUPPORTED, SEJF_INVALID_ARGUMENT. */
export function groupParams(engine: CryptoEngine, wishes: GroupWishes): GroupParams {
  const compression = wishes.compression ?? DEFAULT_GROUP_COMPRESSION;
  const params = {
    splitter: wishes.splitter ?? DEFAULT_SPLITTER,
    compression,
    compressionVersion: compressionVersion(compression),
    minSize: wishes.minSize ?? DEFAULT_MIN_SIZE,
    probe: wishes.probe ?? "group",
  };
  assertUsable(engine, params);
  return params;
}

/** @throws SEJF_UNSUPPORTED for what this program cannot do as the group does. */
export function assertUsable(engine: CryptoEngine, { splitter, compression }: GroupParams): void {
  createSealedSplitter(engine, splitter, deriveSplitterSecrets(engine, NO_SECRET));
  compressorOf(compression);
}

/** Library and version that the compressor of this name is here: only equal ones are sure to give equal streams. */
export function compressionVersion(name: string): string {
  switch (COMPRESSORS.find((one) => one.name === name)?.codec) {
    case undefined:
    case "lz4":
      return NO_COMPRESSION;
    case "zstd":
      return `zstd ${versions["zstd"] ?? "unknown"}`;
    case "s2":
      return "sejf s2 1";
    case "gzip":
    case "deflate":
      return `zlib ${versions["zlib"] ?? "unknown"}`;
  }
}

/** How contents are sealed for the group. */
export function sharedSealing(group: DeviceGroup | undefined): SharedSealing | undefined {
  if (group === undefined) return undefined;
  const { secret, params } = group;
  return { secret, minSize: params.minSize, compressor: compressorOf(params.compression) };
}

function compressorOf(name: string): CompressorId | undefined {
  return name === NO_COMPRESSION ? undefined : compressorByName(name, nodeCompressionEngine).id;
}

/** For `--min-size`. @throws SEJF_INVALID_ARGUMENT. */
export function assertMinSize(minSize: number): void {
  if (!Number.isSafeInteger(minSize) || minSize < 0)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `the least size of shared chunks is ${minSize}, expected a number of bytes`,
    );
}
