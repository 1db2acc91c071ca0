/** What all sessions share. */
import type { FairGate } from "../../rpc/index.ts";
import type { Freshness } from "./freshness.ts";
import type { SessionMethodOptions } from "./method-options.ts";

export interface SessionParts {
  readonly options: SessionMethodOptions;
  /** Turns for reading, and for writing: neither waits for the other. */
  readonly reading: FairGate;
  readonly writing: FairGate;
  readonly freshness: Freshness;
}
