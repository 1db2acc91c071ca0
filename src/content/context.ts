/** What every part of the content store needs, as one value made at opening. */
import type {
  BlobId,
  BlobMetadata,
  BlobStorage,
  PutOptions,
  RetentionOptions,
} from "../blob/index.ts";
import type { CallOptions, Clock, Random, TimestampNs } from "../bytes/index.ts";
import { errorFromUnknown, SejfError } from "../errors/index.ts";
import type { BlobCodec, RepositoryFormat } from "../format/index.ts";
import type { ContentsEvent, ContentsStatistics, WriterIdentity } from "./types.ts";

/** Waits; rejects with the signal's reason. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

type Counters = { -readonly [Name in keyof ContentsStatistics]: number };

export interface Context {
  readonly storage: BlobStorage;
  readonly format: RepositoryFormat;
  readonly codec: BlobCodec;
  readonly clock: Clock;
  readonly random: Random;
  readonly identity: WriterIdentity;
  readonly readOnly: boolean;
  readonly permissive: boolean;
  readonly retention: RetentionOptions | undefined;
  readonly sleep: Sleep;
  readonly log: (level: ContentsEvent["level"], message: string) => void;
  readonly statistics: Counters;
}

export function nowS(context: Context): number {
  return Math.floor(context.clock.nowMs() / 1000);
}

export function nowNs(context: Context): TimestampNs {
  return BigInt(Math.floor(context.clock.nowMs() * 1000)) * 1000n;
}

/** Milliseconds of a duration of the format; far more than anybody waits for when it is above 2^53. */
export function msOf(durationNs: bigint): number {
  return Number(durationNs / 1_000_000n);
}

/** Puts a pack or an index blob, under object lock where the repository has it. */
export async function putLocked(
  context: Context,
  id: BlobId,
  data: Uint8Array,
  options: CallOptions = {},
): Promise<BlobMetadata> {
  const { retention } = context;
  const put: PutOptions = retention === undefined ? options : { ...options, retention };
  return await context.storage.put(id, data, put);
}

/**
 * As `putLocked`, for blobs that everybody reads: what a failed put may have left is taken away, as far as the store
 * allows, for a torn index blob or marker would stop others.
 */
export async function putOrRemove(
  context: Context,
  id: BlobId,
  put: () => Promise<BlobMetadata>,
): Promise<BlobMetadata> {
  try {
    return await put();
  } catch (error) {
    try {
      await context.storage.delete(id);
    } catch (again) {
      context.log("warn", `blob ${id} may be incomplete: ${messageOf(again)}`);
    }
    throw error;
  }
}

/** An index blob, under object lock where the repository has it; nothing of it is left when it fails. */
export async function putIndexBlob(
  context: Context,
  id: BlobId,
  data: Uint8Array,
  options: CallOptions = {},
): Promise<BlobMetadata> {
  return await putOrRemove(context, id, async () => await putLocked(context, id, data, options));
}

/** @throws SEJF_READ_ONLY. */
export function assertWritable(context: Context): void {
  if (!context.readOnly && !context.storage.capabilities.readOnly) return;
  throw new SejfError("SEJF_READ_ONLY", "the repository is open for reading only", {
    hint: "connect again without --readonly to write",
  });
}

/** One line of an error, for logs and for results that carry a message. */
export function messageOf(error: unknown): string {
  return errorFromUnknown(error, "failed").message;
}
