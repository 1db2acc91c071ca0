/** Compression with Node's own zlib, which has Zstandard. */
export { nodeCompressionEngine } from "./zlib-engine.ts";
export { loadDirectZstd } from "./zstd-direct.ts";
