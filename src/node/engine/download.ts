/** The reading half: restores of whole directories and of big files, and verification, as jobs for the threads. */
import { constants, fsync, ftruncate } from "node:fs";
import { promisify } from "node:util";
import { mapUnordered } from "../../bytes/index.ts";
import { assert, errorFromUnknown, SejfError } from "../../errors/index.ts";
import type {
  ContentPiece,
  ContentRequest,
  PieceSeal,
  RestoreBatch,
  RestoreFileOptions,
  RestoreJob,
  RestoreResult,
  VerifyResult,
} from "../../format/index.ts";
import {
  assertRealDirectory,
  discardRestoreFile,
  finishRestoreFile,
  joinLocal,
  nameText,
  openRestoreFile,
  type RestoreTarget,
  setFileAttributes,
} from "../files/index.ts";
import type { BulkEngineHost } from "./host.ts";
import { type Gathered, gather } from "./gather.ts";
import { groupNames, type Placed } from "./name-groups.ts";
import { NO_TIME, type JobReply, type ReadFailure, RESTORE_FLAGS } from "./protocol.ts";
import {
  compareLocations,
  type LocatedContent,
  locateAll,
  type PlacedContent,
  type PlanPieces,
  pieceColumn,
  planReads,
  type ReadPlan,
} from "./read-plan.ts";
import type { NewJob } from "./thread-pool.ts";

const fsyncAsync = promisify(fsync);
const ftruncateAsync = promisify(ftruncate);

/** Files up to this size are made whole by one thread. */
const SMALL_RESTORE_BYTES: number = 4 * 1024 * 1024;
const FILES_IN_JOB = 256;
const BYTES_IN_JOB: number = 8 * 1024 * 1024;
/** Parts of one big file under way at the same time. */
const PARTS = 4;

export type SubmitRead = (job: NewJob, transfer: readonly ArrayBuffer[]) => Promise<JobReply>;

export interface RestoreTools {
  readonly plan: PlanPieces;
  readonly submit: SubmitRead;
}

export interface VerifyTools {
  readonly host: BulkEngineHost;
  readonly submit: SubmitRead;
}

/** Batches as jobs of bounded size. */
export function restoreItems(
  batches: AsyncIterable<RestoreBatch>,
): AsyncGenerator<Gathered<RestoreJob>, void, void> {
  return gather(batches, {
    maxFiles: FILES_IN_JOB,
    maxBytes: BYTES_IN_JOB,
    isBig: ({ sizeBytes }) => sizeBytes > SMALL_RESTORE_BYTES,
    sizeBytes: ({ sizeBytes }) => sizeBytes,
    fit: () => true,
  });
}

/** Restores one item; a file's failure is a result. */
export async function restoreItem(
  item: Gathered<RestoreJob>,
  tools: RestoreTools,
  signal: AbortSignal,
): Promise<readonly RestoreResult[]> {
  signal.throwIfAborted();
  return "big" in item
    ? [await restoreBig(item.big, tools, signal)]
    : restoreSmall(item.small, tools, signal);
}

async function restoreSmall(
  files: readonly Placed<RestoreJob>[],
  tools: RestoreTools,
  signal: AbortSignal,
): Promise<readonly RestoreResult[]> {
  const plan = await tools.plan(
    files.flatMap(({ file }) => file.pieces),
    signal,
  );
  try {
    return await makePlanned(files, plan, tools);
  } finally {
    plan.release?.();
  }
}

async function makePlanned(
  files: readonly Placed<RestoreJob>[],
  plan: ReadPlan,
  tools: RestoreTools,
): Promise<readonly RestoreResult[]> {
  const results: RestoreResult[] = [];
  const good: Placed<RestoreJob>[] = [];
  const contents: PlacedContent[] = [];
  let at = 0;
  for (const placed of files) {
    const { file } = placed;
    const places = plan.places.slice(at, at + file.pieces.length);
    at += file.pieces.length;
    const failure = sizeMismatch(file) ?? places.find((place) => place instanceof SejfError);
    if (failure === undefined) {
      good.push(placed);
      contents.push(...(places as readonly PlacedContent[]));
    } else {
      const message = `restoring ${pathText(placed)}: ${failure.message}`;
      results.push({ job: file.job, ok: false, code: failure.code, message });
    }
  }
  if (good.length === 0) return results;
  const reply = await tools.submit(
    {
      op: "restore",
      groups: groupNames(good),
      ...attributeColumns(good.map(({ file }) => file)),
      ranges: plan.ranges,
      pieces: pieceColumn(
        contents,
        good.flatMap(({ file }) => file.pieces),
      ),
    },
    plan.transfer,
  );
  plan.takeBack?.(reply);
  const failures = failuresByIndex(reply);
  good.forEach(({ file: { job, sizeBytes } }, index) => {
    const failure = failures.get(index);
    results.push(
      failure === undefined
        ? { job, ok: true, sizeBytes }
        : { job, ok: false, code: failure.code, message: failure.message },
    );
  });
  return results;
}

function attributeColumns(files: readonly RestoreJob[]): {
  readonly pieceEnds: Uint32Array;
  readonly modes: Int32Array;
  readonly owners: Float64Array;
  readonly mtimes: BigInt64Array;
  readonly flags: Uint8Array;
} {
  let pieces = 0;
  return {
    pieceEnds: Uint32Array.from(files, (file) => (pieces += file.pieces.length)),
    modes: Int32Array.from(files, ({ attributes }) =>
      attributes.mode === undefined ? -1 : attributes.mode & ~constants.S_IFMT,
    ),
    owners: Float64Array.from(
      files.flatMap(({ attributes: { owner } }) => [owner?.uid ?? -1, owner?.gid ?? -1]),
    ),
    mtimes: BigInt64Array.from(files, ({ attributes }) => attributes.mtimeNs ?? NO_TIME),
    flags: Uint8Array.from(files, ({ options }) => flagsOf(options)),
  };
}

function flagsOf(options: RestoreFileOptions): number {
  return (
    (options.overwrite ? RESTORE_FLAGS.overwrite : 0) |
    (options.atomically ? RESTORE_FLAGS.atomically : 0) |
    (options.sparse ? RESTORE_FLAGS.sparse : 0) |
    (options.fsync ? RESTORE_FLAGS.fsync : 0) |
    (options.ignorePermissionErrors ? RESTORE_FLAGS.ignorePermissionErrors : 0)
  );
}

async function restoreBig(
  placed: Placed<RestoreJob>,
  tools: RestoreTools,
  signal: AbortSignal,
): Promise<RestoreResult> {
  const { directory, file } = placed;
  let target: RestoreTarget | undefined;
  try {
    const mismatch = sizeMismatch(file);
    if (mismatch !== undefined) throw mismatch;
    assertRealDirectory(directory);
    target = openRestoreFile(directory, file.name, file.options);
    await writeParts(target.fd, file, tools, signal);
    if (file.options.sparse) await ftruncateAsync(target.fd, file.sizeBytes);
    setFileAttributes(target.fd, file.attributes, file.options);
    if (file.options.fsync) await fsyncAsync(target.fd);
  } catch (error) {
    if (target !== undefined) discardRestoreFile(target);
    signal.throwIfAborted();
    const { code, message } = errorFromUnknown(error, `restoring ${pathText(placed)}`);
    if (code === "SEJF_WORKER" || code === "SEJF_CANCELLED") throw error;
    return { job: file.job, ok: false, code, message };
  }
  finishRestoreFile(target);
  return { job: file.job, ok: true, sizeBytes: file.sizeBytes };
}

async function writeParts(
  fd: number,
  file: RestoreJob,
  tools: RestoreTools,
  signal: AbortSignal,
): Promise<void> {
  const writePart = async ({ position, pieces }: FilePart): Promise<void> => {
    const plan = await tools.plan(pieces, signal);
    try {
      const placed = plan.places.map((place) => {
        if (place instanceof SejfError) throw place;
        return place;
      });
      const reply = await tools.submit(
        {
          op: "pieces",
          fd,
          position,
          sparse: file.options.sparse,
          ranges: plan.ranges,
          pieces: pieceColumn(placed, pieces),
        },
        plan.transfer,
      );
      plan.takeBack?.(reply);
      for (const failure of failuresByIndex(reply).values())
        throw new SejfError(failure.code, failure.message);
    } finally {
      plan.release?.();
    }
  };
  for await (const _ of mapUnordered(partsOf(file), PARTS, writePart, signal)) {
    // Each part is written at its own place.
  }
}

interface FilePart {
  readonly position: number;
  readonly pieces: readonly ContentPiece[];
}

function* partsOf(file: RestoreJob): Generator<FilePart, void, void> {
  let position = 0;
  let pieces: ContentPiece[] = [];
  let bytes = 0;
  for (const piece of file.pieces) {
    if (
      pieces.length > 0 &&
      (bytes + piece.lengthBytes > BYTES_IN_JOB || pieces.length >= FILES_IN_JOB)
    ) {
      yield { position, pieces };
      position += bytes;
      pieces = [];
      bytes = 0;
    }
    pieces.push(piece);
    bytes += piece.lengthBytes;
  }
  if (pieces.length > 0) yield { position, pieces };
}

/** Verifies contents: located, grouped by pack, read and re-hashed by threads. */
export async function verifyRequests(
  requests: readonly ContentRequest[],
  tools: VerifyTools,
  signal: AbortSignal,
): Promise<readonly VerifyResult[]> {
  signal.throwIfAborted();
  const located = await locateAll(
    requests.map(({ ref }) => ref),
    tools.host,
  );
  const results: VerifyResult[] = [];
  const found: LocatedContent[] = [];
  located.forEach((content, index) => {
    if (content instanceof SejfError)
      results.push(failed((requests[index] as ContentRequest).job, content));
    else found.push(content);
  });
  found.sort((a, b) => compareLocations(a.location, b.location));
  for await (const part of mapUnordered(
    verifyParts(found),
    PARTS,
    (contents) => verifyPart(contents, requests, tools, signal),
    signal,
  )) {
    results.push(...part);
  }
  return results;
}

async function verifyPart(
  contents: readonly LocatedContent[],
  requests: readonly ContentRequest[],
  tools: VerifyTools,
  signal: AbortSignal,
): Promise<VerifyResult[]> {
  const plan = await planReads(contents, tools.host, signal);
  const results: VerifyResult[] = [];
  const jobs: number[] = [];
  const seals: (PieceSeal | undefined)[] = [];
  const placed: PlacedContent[] = [];
  plan.places.forEach((place, i) => {
    const { job, seal } = requests[contents[i]!.index] as ContentRequest;
    if (place instanceof SejfError) {
      results.push(failed(job, place));
    } else {
      placed.push(place);
      jobs.push(job);
      seals.push(seal);
    }
  });
  if (placed.length === 0) return results;
  const pieces = placed.map(({ location }, i) => ({
    lengthBytes: location.originalLength,
    seal: seals[i],
  }));
  const reply = await tools.submit(
    { op: "verify", ranges: plan.ranges, pieces: pieceColumn(placed, pieces) },
    plan.transfer,
  );
  const failures = failuresByIndex(reply);
  placed.forEach(({ location }, i) => {
    const failure = failures.get(i);
    results.push(
      failure === undefined
        ? {
            job: jobs[i]!,
            ok: true,
            originalLength: plainLength(reply, i, location.originalLength),
          }
        : failed(jobs[i]!, failure),
    );
  });
  return results;
}

function* verifyParts(
  contents: readonly LocatedContent[],
): Generator<readonly LocatedContent[], void, void> {
  let part: LocatedContent[] = [];
  let bytes = 0;
  for (const content of contents) {
    const { packedLength } = content.location;
    if (part.length > 0 && (part.length >= FILES_IN_JOB || bytes + packedLength > BYTES_IN_JOB)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(content);
    bytes += packedLength;
  }
  if (part.length > 0) yield part;
}

function failuresByIndex(reply: JobReply): ReadonlyMap<number, ReadFailure> {
  assert(reply.op === "read", "a reading job is answered by what failed");
  return new Map(reply.failures.map((failure) => [failure.index, failure]));
}

/** Of piece `i`, as a thread found it; `stored` where the content is not sealed. */
export function plainLength(reply: JobReply, i: number, stored: number): number {
  return (reply.op === "read" ? reply.lengths?.[i] : undefined) ?? stored;
}

function failed(
  job: number,
  { code, message }: Pick<ReadFailure, "code" | "message">,
): VerifyResult {
  return { job, ok: false, code, message };
}

function sizeMismatch(file: RestoreJob): SejfError | undefined {
  const total = file.pieces.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  if (total === file.sizeBytes) return undefined;
  return new SejfError(
    "SEJF_CORRUPT",
    `its contents have ${total} bytes, its entry says ${file.sizeBytes}`,
  );
}

function pathText({ directory, file }: Placed<RestoreJob>): string {
  return nameText(joinLocal(directory, file.name));
}
