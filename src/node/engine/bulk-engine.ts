/** Joins threads, claims and the two bulk paths into one engine. */
import type { BulkEngine, BulkEngineConfig, BulkEngineHost } from "./host.ts";

/** Threads are started by the first bulk call and stay until `close`. */
export declare function createBulkEngine(host: BulkEngineHost, config: BulkEngineConfig): BulkEngine;
