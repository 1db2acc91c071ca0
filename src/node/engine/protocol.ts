/**
 * Messages between the main thread and a bulk thread: plain data, numbers into the shared memory, columns in place
 * of objects. One reply for each job, by its number. SECURITY: keys are in a thread's first message alone, but
 * for those of single sealed contents.
 */
import type { OwnedBytes } from "../../bytes/index.ts";
import type { ErrorCode } from "../../errors/index.ts";
import type { CodecParameters, SealingParameters, WrittenSeal } from "../../format/index.ts";
import type { ListingOrder } from "../files/index.ts";
import type { IndexSetDescriptor } from "../index/index.ts";
import type { ClaimTableDescriptor } from "./claim-table.ts";
import type { MemoryPlan } from "./memory.ts";
import type { NameGroup } from "./name-groups.ts";

/** `direct`: contents are compressed, sealed and packed here. `remote`: a server does that with plain ones. */
export type Stages = "direct" | "remote";

/** Given to a thread once, in its first message. */
export interface ThreadData {
  readonly stages: Stages;
  readonly thread: number;
  readonly codec: CodecParameters;
  readonly formatVersion: number;
  readonly maxPackSizeBytes: number;
  readonly plan: MemoryPlan;
  readonly memory: WebAssembly.Memory;
  readonly claims: ClaimTableDescriptor;
  readonly index: IndexSetDescriptor;
  /** For jobs that seal. */
  readonly sealing: SealingParameters | undefined;
}

/** Small files, to be stored whole. */
export interface FilesJob {
  readonly op: "files";
  readonly job: number;
  readonly nowS: number;
  readonly groups: readonly NameGroup[];
  /** Compressor IDs, 0 for none; one number when all are the same. */
  readonly compressors: number | Uint32Array;
  readonly splitter: string;
  /** Contents are sealed first. */
  readonly sealed: boolean;
}

export interface FilesReply {
  readonly op: "files";
  readonly job: number;
  /** Records as `file-records.ts` lays them out. */
  readonly records: Uint8Array<ArrayBuffer>;
  readonly failures: readonly FileFailure[];
}

export interface FileFailure {
  /** Position in the job. */
  readonly index: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly vanished: boolean;
  /** The file has outgrown the small path: the main thread takes it on. */
  readonly tooBig: boolean;
}

/** One segment of a big file, in a slot. */
export interface SegmentJob {
  readonly op: "segment";
  readonly job: number;
  readonly nowS: number;
  readonly slot: number;
  readonly lengthBytes: number;
  readonly compressor: number;
  /** The content is sealed first. */
  readonly sealed: boolean;
}

export interface SegmentReply {
  readonly op: "segment";
  readonly job: number;
  /** The content's hash in hexadecimal. */
  readonly hash: string;
  readonly isNew: boolean;
  readonly objectCompressed: boolean;
  readonly seal: WrittenSeal | undefined;
  /**
   * A new content is still in the slot alone: the main thread sends it from there. A sealed one begins as far before the
   * segment as its header is long.
   */
  readonly isLeft: boolean;
}

/** Contents that came from elsewhere, to be stored as they are. Their memory goes to the thread and comes back. */
export interface ContentsJob {
  readonly op: "contents";
  readonly job: number;
  readonly nowS: number;
  /** One behind the other. */
  readonly bytes: OwnedBytes;
  readonly lengths: Uint32Array;
  /** Compressor IDs, 0 for none. */
  readonly compressors: Uint32Array;
  /** Contents that are known take the same work as new ones. */
  readonly evenly: boolean;
}

export interface ContentsReply {
  readonly op: "contents";
  readonly job: number;
  readonly bytes: OwnedBytes;
  /** One behind the other. */
  readonly hashes: OwnedBytes;
  /** 1: nobody had it. */
  readonly isNew: OwnedBytes;
}

/** A pack buffer to be filled when the present one is full. */
export interface PackGrant {
  readonly op: "pack";
  readonly buffer: number;
  readonly packId: string;
  readonly formatCopy: Uint8Array | undefined;
}

/** Finish the pack that was begun. */
export interface DrainJob {
  readonly op: "drain";
  readonly job: number;
}

/** Look into this index from now on; the next jobs rely on it. */
export interface IndexJob {
  readonly op: "index";
  readonly job: number;
  readonly index: IndexSetDescriptor;
}

export interface DoneReply {
  readonly op: "done";
  readonly job: number;
}

/** The thread wants a pack buffer, or has just taken up its last one. */
export interface WantPack {
  readonly op: "want";
  /** It can do nothing until it gets one. */
  readonly blocked: boolean;
  /** Buffers that had reached it when it asked: one that is on its way is the one that it wants. */
  readonly received: number;
}

/** A finished pack; the buffer belongs to the main thread until it grants it again. */
export interface FullPack {
  readonly op: "full";
  readonly buffer: number;
  readonly packId: string;
  readonly lengthBytes: number;
  readonly index: Uint8Array<ArrayBuffer>;
}

/** Stretches of packs that a reading job needs: of a local file, or fetched by the main thread. */
export interface RangeColumn {
  readonly paths: readonly string[];
  /** The ranges without `data` lie in the shared memory, at their offsets. */
  readonly inMemory?: boolean | undefined;
  /** `data` came with the message, and goes back with the answer. */
  readonly isLent?: boolean | undefined;
  /** For each range: index into `paths`, offset, length. Empty paths: `data` holds the bytes. */
  readonly path: Uint32Array;
  readonly offset: Float64Array;
  readonly length: Uint32Array;
  readonly data: readonly (Uint8Array<ArrayBuffer> | undefined)[];
}

/** Of the key of a sealed content. */
export const SEAL_KEY_BYTES = 32;

/** Contents in those ranges. */
export interface PieceColumn {
  readonly range: Uint32Array;
  readonly offset: Uint32Array;
  readonly packedLength: Uint32Array;
  readonly originalLength: Uint32Array;
  readonly compression: Uint32Array;
  /** 1: object-level compression. */
  readonly objectCompressed: Uint8Array;
  /** Plain bytes of the segment. */
  readonly lengthBytes: Uint32Array;
  /** Content IDs, separated by spaces. */
  readonly ids: string;
  /** Of sealed contents, one behind the other. */
  readonly keys?: Uint8Array<ArrayBuffer> | undefined;
}

/** Reads and re-hashes. */
export interface VerifyJob {
  readonly op: "verify";
  readonly job: number;
  readonly ranges: RangeColumn;
  readonly pieces: PieceColumn;
}

/** Small files, to be made. Columns over all groups, in order. */
export interface RestoreJobMessage {
  readonly op: "restore";
  readonly job: number;
  readonly groups: readonly NameGroup[];
  /** For each file one behind its last piece. */
  readonly pieceEnds: Uint32Array;
  /** -1: leave alone. */
  readonly modes: Int32Array;
  /** Pairs; -1: leave alone. */
  readonly owners: Float64Array;
  /** `NO_TIME`: leave alone. */
  readonly mtimes: BigInt64Array;
  /** Bits of `RESTORE_FLAGS`. */
  readonly flags: Uint8Array;
  readonly ranges: RangeColumn;
  readonly pieces: PieceColumn;
}

export const NO_TIME: bigint = -(2n ** 63n);

export const RESTORE_FLAGS = {
  overwrite: 1,
  atomically: 2,
  sparse: 4,
  fsync: 8,
  ignorePermissionErrors: 16,
} as const;

/** Consecutive pieces of a big file that the main thread holds open. */
export interface PiecesJob {
  readonly op: "pieces";
  readonly job: number;
  readonly fd: number;
  readonly position: number;
  readonly sparse: boolean;
  readonly ranges: RangeColumn;
  readonly pieces: PieceColumn;
}

/** Those that failed; the others are well. */
export interface ReadReply {
  readonly op: "read";
  readonly job: number;
  readonly failures: readonly ReadFailure[];
  /** Of `verify`: plain bytes of each piece that is well. */
  readonly lengths?: Float64Array<ArrayBuffer> | undefined;
  /** What was lent to the job. */
  readonly memory?: readonly OwnedBytes[] | undefined;
}

export interface ReadFailure {
  /** Position of the file, or of the piece for `verify` and `pieces`. */
  readonly index: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/** The job failed as a whole. */
export interface FailedReply {
  readonly op: "failed";
  readonly job: number;
  readonly code: ErrorCode;
  readonly message: string;
  /** A content was claimed and not stored: nothing written since the last commit can be relied on. */
  readonly claimLost: boolean;
}

export type ThreadJob =
  | FilesJob
  | SegmentJob
  | ContentsJob
  | DrainJob
  | IndexJob
  | VerifyJob
  | RestoreJobMessage
  | PiecesJob;
/** The first message of a thread. */
export interface BeginThread {
  readonly op: "begin";
  readonly data: ThreadData;
}

/** Directories to be listed when there is time; no reply but in the memory. Comes at any time, before `begin` too. */
export interface ListDirectories {
  readonly op: "list";
  readonly memory: SharedArrayBuffer;
  readonly orders: readonly ListingOrder[];
}

/** Ends the thread after the job that runs. */
export interface EndThread {
  readonly op: "end";
}

export type ToThread = ThreadJob | PackGrant | EndThread;
export type JobReply =
  | FilesReply
  | SegmentReply
  | ContentsReply
  | DoneReply
  | ReadReply
  | FailedReply;
export type FromThread = JobReply | WantPack | FullPack;
