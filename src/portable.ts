/**
 * `sejf/portable`: what a browser needs to read and write the formats. No Node, no `Buffer`: algorithms, the blob
 * seam, the repository format, objects and manifests, with pure JavaScript engines.
 */
export * from "./blob/index.ts";
export * from "./bytes/index.ts";
export * from "./compress/index.ts";
export * from "./crypto/index.ts";
export * from "./ecc/index.ts";
export * from "./errors/index.ts";
export * from "./format/index.ts";
export * from "./manifest/index.ts";
export * from "./object/index.ts";
export * from "./splitter/index.ts";
