/** Which compressor a file gets. Spec: kopia-snapshots 5.8. */
import { COMPRESSORS, type CompressorId } from "../compress/index.ts";
import type { Policy } from "./policy.ts";

const NONE = "none";

/** `name` with its extension. `undefined`: stored as it is. Unknown names count as none, as they do in Kopia. */
export function compressorOfFile(
  policy: Policy,
  name: string,
  sizeBytes: number,
): CompressorId | undefined {
  const {
    compressorName = "",
    minSize = 0,
    maxSize = 0,
    onlyCompress,
    neverCompress,
  } = policy.compression;
  if (compressorName === "" || compressorName === NONE) return undefined;
  if ((minSize > 0 && sizeBytes < minSize) || (maxSize > 0 && sizeBytes > maxSize))
    return undefined;
  const extension = name.lastIndexOf(".") === -1 ? "" : name.slice(name.lastIndexOf("."));
  const off =
    onlyCompress?.includes(extension) !== true && neverCompress?.includes(extension) === true;
  return off ? undefined : compressorId(compressorName);
}

/** For directories and seek tables. */
export function metadataCompressor(policy: Policy): CompressorId | undefined {
  return compressorId(policy.metadataCompression.compressorName ?? "");
}

function compressorId(name: string): CompressorId | undefined {
  return COMPRESSORS.find((one) => one.name === name && one.codec !== "lz4")?.id;
}
