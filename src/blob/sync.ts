/**
 * Copies a whole repository, blob by blob, into another store. Reference: kopia cli/command_repository_sync.go.
 * Where we differ: packs go before the indexes that name them and the format blob last, so a target that was left
 * half-way never names what it lacks; and index blobs written after we began wait for the next run.
 */
import { bytesToUtf8, type CallOptions, mapUnordered } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import { getBlobIfPresent, listAllBlobs } from "./blob-calls.ts";
import type { BlobId, BlobMetadata, BlobStorage, PutOptions } from "./storage.ts";

const FORMAT_BLOB = "kopia.repository" as BlobId;

export interface CopyBlobsOptions extends CallOptions {
  /** Deletes from the target what the source does not have. Default false. */
  readonly deleteExtra?: boolean | undefined;
  /** Copies again what is newer in the source, or of another length. Default true. */
  readonly update?: boolean | undefined;
  /** Fails when the target has no format blob yet. Default false. */
  readonly mustExist?: boolean | undefined;
  /** Blobs under way at once, each in memory as a whole. Default 1. */
  readonly parallel?: number | undefined;
  /** Gives the copies the times of the originals, where the target can. Default false. */
  readonly times?: boolean | undefined;
  /** Only counts. */
  readonly dryRun?: boolean | undefined;
  readonly onProgress?: ((progress: CopyBlobsProgress) => void) | undefined;
}

/** Blobs and bytes so far; `total…` are known once copying has begun. */
export interface CopyBlobsProgress {
  readonly phase: "listing-target" | "listing-source" | "copying" | "deleting";
  readonly blobs: number;
  readonly bytes: number;
  readonly totalBlobs?: number;
  readonly totalBytes?: number;
}

export interface BlobTotal {
  readonly blobs: number;
  readonly bytes: number;
}

export interface CopyBlobsResult {
  /** Copied, or to be copied in a dry run. */
  readonly copied: BlobTotal;
  readonly deleted: BlobTotal;
  readonly inSync: BlobTotal;
  /** False when `times` was asked for and the target cannot set them. */
  readonly timesKept: boolean;
}

interface Plan {
  readonly copy: readonly BlobMetadata[];
  readonly remove: readonly BlobMetadata[];
  readonly inSync: BlobTotal;
}

/**
 * Makes `target` hold every blob of `source`.
 * @throws SEJF_NOT_A_REPOSITORY when the source, or with `mustExist` the target, has no format blob;
 * SEJF_ALREADY_EXISTS when the target holds another repository.
 */
export async function copyAllBlobs(
  source: BlobStorage,
  target: BlobStorage,
  options: CopyBlobsOptions = {},
): Promise<CopyBlobsResult> {
  await checkSameRepository(source, target, options);
  const plan = await makePlan(source, target, options);
  const timesKept = options.times !== true || target.capabilities.setTime;
  if (options.dryRun === true) {
    return { copied: sum(plan.copy), deleted: sum(plan.remove), inSync: plan.inSync, timesKept };
  }
  const copied = await copyPlanned(source, target, plan.copy, options);
  const deleted = await removePlanned(target, plan.remove, options);
  return { copied, deleted, inSync: plan.inSync, timesKept };
}

async function checkSameRepository(
  source: BlobStorage,
  target: BlobStorage,
  options: CopyBlobsOptions,
): Promise<void> {
  const call: CallOptions = { signal: options.signal };
  const ours = await getBlobIfPresent(source, FORMAT_BLOB, call);
  if (ours === undefined)
    throw new SejfError(
      "SEJF_NOT_A_REPOSITORY",
      `${source.displayName} has no blob ${FORMAT_BLOB}`,
    );
  const theirs = await getBlobIfPresent(target, FORMAT_BLOB, call);
  if (theirs === undefined) {
    if (options.mustExist !== true) return;
    throw new SejfError(
      "SEJF_NOT_A_REPOSITORY",
      `${target.displayName} has no blob ${FORMAT_BLOB}`,
      {
        hint: "leave out --must-exist to make a new copy there",
      },
    );
  }
  if (uniqueIdOf(ours, source) === uniqueIdOf(theirs, target)) return;
  throw new SejfError(
    "SEJF_ALREADY_EXISTS",
    `${target.displayName} holds another repository than ${source.displayName}`,
    {
      hint: "copy into an empty place",
    },
  );
}

function uniqueIdOf(formatBlob: Uint8Array, storage: BlobStorage): string {
  let json: unknown;
  try {
    json = JSON.parse(bytesToUtf8(formatBlob));
  } catch (error) {
    throw new SejfError(
      "SEJF_CORRUPT",
      `blob ${FORMAT_BLOB} in ${storage.displayName} is no JSON`,
      { cause: error },
    );
  }
  const id =
    typeof json === "object" && json !== null && "uniqueID" in json ? json.uniqueID : undefined;
  if (typeof id === "string" && id !== "") return id;
  throw new SejfError(
    "SEJF_CORRUPT",
    `blob ${FORMAT_BLOB} in ${storage.displayName} has no uniqueID`,
  );
}

async function makePlan(
  source: BlobStorage,
  target: BlobStorage,
  options: CopyBlobsOptions,
): Promise<Plan> {
  // Indexes first: every pack that they name was stored before them, so the listing that follows has it.
  const indexes = new Set<BlobId>();
  for (const prefix of INDEX_PREFIXES) {
    for (const { id } of await listAllBlobs(source, prefix, { signal: options.signal }))
      indexes.add(id);
  }
  const there = new Map<BlobId, BlobMetadata>();
  for await (const blob of listCounted(target, "listing-target", options)) there.set(blob.id, blob);
  const copy: BlobMetadata[] = [];
  const inSync = { blobs: 0, bytes: 0 };
  for await (const blob of listCounted(source, "listing-source", options)) {
    const old = there.get(blob.id);
    there.delete(blob.id);
    if (isIndex(blob.id) && !indexes.has(blob.id)) continue;
    if (needsCopy(blob, old, options.update ?? true)) copy.push(blob);
    else {
      inSync.blobs++;
      inSync.bytes += blob.lengthBytes;
    }
  }
  copy.sort((a, b) => copyOrder(a.id) - copyOrder(b.id));
  const extra = options.deleteExtra === true ? [...there.values()] : [];
  return { copy, remove: extra.sort((a, b) => copyOrder(b.id) - copyOrder(a.id)), inSync };
}

const INDEX_PREFIXES = ["n", "x"] as const;

function isIndex(id: BlobId): boolean {
  return INDEX_PREFIXES.some((prefix) => id.startsWith(prefix));
}

function needsCopy(blob: BlobMetadata, old: BlobMetadata | undefined, update: boolean): boolean {
  if (old === undefined) return true;
  return update && (blob.timestamp > old.timestamp || blob.lengthBytes !== old.lengthBytes);
}

/** Packs, then the rest, then indexes, then the format blob. */
function copyOrder(id: BlobId): number {
  if (id === FORMAT_BLOB) return 3;
  if (isIndex(id)) return 2;
  return id.startsWith("p") || id.startsWith("q") ? 0 : 1;
}

async function* listCounted(
  storage: BlobStorage,
  phase: CopyBlobsProgress["phase"],
  options: CopyBlobsOptions,
): AsyncGenerator<BlobMetadata, void, void> {
  const total = { blobs: 0, bytes: 0 };
  for await (const page of storage.list("", { signal: options.signal })) {
    for (const blob of page) {
      total.blobs++;
      total.bytes += blob.lengthBytes;
      yield blob;
    }
    options.onProgress?.({ phase, ...total });
  }
}

async function copyPlanned(
  source: BlobStorage,
  target: BlobStorage,
  plan: readonly BlobMetadata[],
  options: CopyBlobsOptions,
): Promise<BlobTotal> {
  const total = sum(plan);
  const done = { blobs: 0, bytes: 0 };
  const setTimes = options.times === true && target.capabilities.setTime;
  // one kind after the other: nothing of a kind begins before all of the one before it is stored
  for (const kind of [0, 1, 2, 3]) {
    const blobs = plan.filter(({ id }) => copyOrder(id) === kind);
    const copies = mapUnordered(
      blobs,
      options.parallel ?? 1,
      (blob, signal) =>
        copyOne(
          source,
          target,
          blob,
          setTimes ? { signal, timestamp: blob.timestamp } : { signal },
        ),
      options.signal,
    );
    for await (const length of copies) {
      if (length === undefined) continue;
      done.blobs++;
      done.bytes += length;
      options.onProgress?.({
        phase: "copying",
        ...done,
        totalBlobs: total.blobs,
        totalBytes: total.bytes,
      });
    }
  }
  return done;
}

/** The bytes copied, or `undefined` when the source has deleted the blob since it was listed. */
async function copyOne(
  source: BlobStorage,
  target: BlobStorage,
  blob: BlobMetadata,
  put: PutOptions,
): Promise<number | undefined> {
  try {
    const data = await source.get(blob.id, { signal: put.signal });
    await target.put(blob.id, data, put);
    return data.byteLength;
  } catch (error) {
    if (isSejfError(error, "SEJF_BLOB_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function removePlanned(
  target: BlobStorage,
  plan: readonly BlobMetadata[],
  options: CopyBlobsOptions,
): Promise<BlobTotal> {
  const total = sum(plan);
  const done = { blobs: 0, bytes: 0 };
  // indexes before the packs they name
  for (const kind of [3, 2, 1, 0]) {
    const blobs = plan.filter(({ id }) => copyOrder(id) === kind);
    const removed = mapUnordered(
      blobs,
      options.parallel ?? 1,
      async (blob, signal) => {
        await target.delete(blob.id, { signal });
        return blob.lengthBytes;
      },
      options.signal,
    );
    for await (const length of removed) {
      done.blobs++;
      done.bytes += length;
      options.onProgress?.({
        phase: "deleting",
        ...done,
        totalBlobs: total.blobs,
        totalBytes: total.bytes,
      });
    }
  }
  return done;
}

function sum(blobs: readonly BlobMetadata[]): BlobTotal {
  return { blobs: blobs.length, bytes: blobs.reduce((bytes, blob) => bytes + blob.lengthBytes, 0) };
}
