/** Cutting of streams into segments by Kopia's algorithms: names, parameters and plain JavaScript. */
export { BUZHASH_TABLE } from "./buzhash-table.ts";
export { createSplitter, splitAll } from "./create.ts";
export { keyedScan, keyedSpec } from "./keyed-scan.ts";
export { type CutScan, portableScan } from "./scan.ts";
export {
  DEFAULT_SPLITTER,
  type SplitterKind,
  type SplitterSpec,
  SPLITTERS,
  splitterSpec,
  WINDOW_BYTES,
} from "./specs.ts";
export type { Splitter } from "./splitter.ts";
export { DynamicSplitter, fixedSplitter } from "./streaming.ts";
