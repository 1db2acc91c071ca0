/** Bytes, integers, text encodings, time and bounded pipelines: what every other layer stands on. */
export { base64ToBytes, base64UrlToBytes, bytesToBase64, bytesToBase64Url } from "./base64.ts";
export { type Clock, systemClock, type TimestampNs } from "./clock.ts";
export {
  ALIGNMENT_BYTES,
  alignedPlace,
  concatBytes,
  copyBytes,
  equalBytes,
  type OwnedBytes,
  viewOf,
} from "./bytes.ts";
export { crc32 } from "./crc32.ts";
export { formatDuration, parseDuration } from "./durations.ts";
export { goJson, goJsonString } from "./go-json.ts";
export { bytesToHex, HEX_VALUES, hexToBytes } from "./hex.ts";
export {
  getUint24,
  getUint48,
  readUvarint,
  setUint24,
  setUint48,
  uvarintBytes,
} from "./integers.ts";
export { Mutex } from "./mutex.ts";
export { type CallOptions, collect, mapConcurrent, mapUnordered, single } from "./pipeline.ts";
export { type Random, systemRandom } from "./random.ts";
export { formatTimestamp, parseTimestamp } from "./timestamps.ts";
export { bytesToUtf8, isUtf8, utf8ToBytes } from "./utf8.ts";
