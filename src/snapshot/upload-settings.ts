/** What an upload is given to work with. */
import type { ContentStore } from "../format/index.ts";
import type { ObjectFormat } from "../object/index.ts";
import type { SnapshotActions } from "./actions.ts";
import type { EntryLog } from "./entry-log.ts";
import type { DirEntry } from "./types.ts";
import type { UploadTally } from "./upload-tally.ts";

export interface UploadSettings {
  readonly contents: ContentStore;
  readonly format: ObjectFormat;
  readonly tally: UploadTally;
  readonly log: EntryLog;
  readonly ignoreCache: () => boolean;
  readonly failFast: boolean;
  /** Bytes read, not written. */
  readonly limitBytes: number | undefined;
  /** Files read at once; absent: as many as suit the machine. */
  readonly parallel: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Runs the folders' actions; who made it disposes it. */
  readonly actions: SnapshotActions;
  /** Of the root, for actions. */
  readonly sourcePath: string;
  /** Milliseconds until the next checkpoint is due; not above 0: now. */
  readonly checkpointInMs: () => number;
  /** Saves an incomplete snapshot with this root; without one nothing is stored yet, and the time begins anew. */
  readonly checkpoint: (root: DirEntry | undefined) => Promise<void>;
}
