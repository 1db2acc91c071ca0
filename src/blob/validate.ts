/**
 * Tries out whether a store keeps what a repository relies on. Reference: kopia internal/providervalidation.
 * Everything is written below a random prefix of its own and deleted at the end.
 */
import {
  bytesToHex,
  type CallOptions,
  type Clock,
  equalBytes,
  type Random,
  systemClock,
  systemRandom,
} from "../bytes/index.ts";
import { type ErrorCode, isSejfError, SejfError } from "../errors/index.ts";
import { listAllBlobs } from "./blob-calls.ts";
import { toBlobId } from "./blob-id.ts";
import type { BlobId, BlobStorage } from "./storage.ts";
import { type Sleep, systemSleep } from "./token-bucket.ts";
import { runConcurrencyTest } from "./validate-concurrency.ts";

export interface StorageValidationOptions extends CallOptions {
  /** Opens one more connection to the same store. Without it only the given one is used. */
  readonly openAnother?: (() => Promise<BlobStorage>) | undefined;
  /** Connections to the store, all in all. Default 5. */
  readonly connections?: number | undefined;
  /** Length of the concurrency test, default 30 000. */
  readonly durationMs?: number | undefined;
  readonly putWorkers?: number | undefined;
  readonly getWorkers?: number | undefined;
  readonly metadataWorkers?: number | undefined;
  readonly listWorkers?: number | undefined;
  /** Largest blob of the concurrency test, default 10 000 000. */
  readonly maxBlobBytes?: number | undefined;
  /** How far the store's time may be from ours, default three minutes. */
  readonly maxClockDriftMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly sleep?: Sleep | undefined;
  /** Told what is tried next, one line each. */
  readonly onStep?: ((step: string) => void) | undefined;
}

const DEFAULT_WORKERS = 3;
const SAMPLE_BYTES = 5_000_000;

/**
 * Resolves when the store did everything right.
 * @throws SEJF_UNSUPPORTED naming the first thing that it did wrong; its own errors as they are.
 */
export async function validateStorageProvider(
  storage: BlobStorage,
  options: StorageValidationOptions = {},
): Promise<void> {
  const others: BlobStorage[] = [];
  const random = options.random ?? systemRandom;
  const prefix = `z${bytesToHex(random.bytes(16))}`;
  let failed = true;
  try {
    for (let n = 1; options.openAnother !== undefined && n < (options.connections ?? 5); n++) {
      others.push(await options.openAnother());
    }
    const all = [storage, ...others];
    let turn = 0;
    const pick = (): BlobStorage => all[turn++ % all.length] as BlobStorage;
    await checkSteps(pick, prefix, options);
    options.onStep?.("concurrent reading, writing and listing");
    await runConcurrencyTest({
      pick,
      prefix: `${prefix}b`,
      signal: options.signal,
      durationMs: options.durationMs ?? 30_000,
      putWorkers: options.putWorkers ?? DEFAULT_WORKERS,
      getWorkers: options.getWorkers ?? DEFAULT_WORKERS,
      metadataWorkers: options.metadataWorkers ?? DEFAULT_WORKERS,
      listWorkers: options.listWorkers ?? DEFAULT_WORKERS,
      maxBlobBytes: options.maxBlobBytes ?? 10_000_000,
      clock: options.clock ?? systemClock,
      sleep: options.sleep ?? systemSleep,
      random,
    });
    failed = false;
  } finally {
    options.onStep?.("removing the blobs of the test");
    await cleanUp(storage, prefix, failed);
    for (const other of others) await other[Symbol.asyncDispose]();
  }
}

async function checkSteps(
  pick: () => BlobStorage,
  prefix: string,
  options: StorageValidationOptions,
): Promise<void> {
  const step = (what: string): void => {
    options.signal?.throwIfAborted();
    options.onStep?.(what);
  };
  const id = toBlobId(`${prefix}a1`);
  const sample = makeSample();
  step("capacity");
  await checkCapacity(pick());
  step("empty listing");
  await checkCount(pick(), prefix, 0);
  step("blobs that do not exist");
  await checkAbsent(pick, id);
  step(`writing a blob of ${SAMPLE_BYTES} bytes`);
  await pick().put(id, sample);
  step("creating only what is absent");
  await checkConditionalPut(pick(), id);
  step("listing by prefix");
  await checkCount(pick(), prefix, 1);
  await checkCount(pick(), `${prefix}a`, 1);
  await checkCount(pick(), `${prefix}b`, 0);
  step("ranges");
  await checkRanges(pick, id, sample);
  step("whole blobs");
  expect(equalBytes(await pick().get(id), sample), `blob ${id} was read back with other bytes`);
  step("metadata");
  await checkMetadata(pick(), id, sample.byteLength, options);
  step("replacing a blob");
  await pick().put(id, new Uint8Array([1, 2, 3]));
  expect(
    equalBytes(await pick().get(id), new Uint8Array([1, 2, 3])),
    `blob ${id} was replaced and gave its old bytes`,
  );
  step("deleting");
  await pick().delete(id);
  await checkAbsent(pick, id);
  await pick().delete(id);
  await checkCount(pick(), prefix, 0);
}

async function checkCapacity(storage: BlobStorage): Promise<void> {
  const capacity = await storage.capacity?.();
  if (capacity === undefined) return;
  expect(
    capacity.freeBytes <= capacity.totalBytes,
    `${capacity.freeBytes} bytes are free of ${capacity.totalBytes}`,
  );
}

async function checkCount(storage: BlobStorage, prefix: string, expected: number): Promise<void> {
  const found = await listAllBlobs(storage, prefix);
  expect(
    found.length === expected,
    `a listing of ${prefix} gave ${found.length} blobs, expected ${expected}`,
  );
}

async function checkAbsent(pick: () => BlobStorage, id: BlobId): Promise<void> {
  await expectCode("SEJF_BLOB_NOT_FOUND", "reading an absent blob", () => pick().get(id));
  await expectCode("SEJF_BLOB_NOT_FOUND", "reading a range of an absent blob", () =>
    pick().get(id, { range: { offset: 0, length: 5 } }),
  );
  expect((await pick().stat(id)) === undefined, "an absent blob has metadata");
}

async function checkConditionalPut(storage: BlobStorage, id: BlobId): Promise<void> {
  const call = (): Promise<unknown> => storage.put(id, new Uint8Array([99]), { ifAbsent: true });
  await expectCode("SEJF_ALREADY_EXISTS", "creating a blob that exists", call, "SEJF_UNSUPPORTED");
}

async function checkRanges(pick: () => BlobStorage, id: BlobId, sample: Uint8Array): Promise<void> {
  const ranges = [
    [0, 10],
    [1, 10],
    [2, 1],
    [5, 0],
    [sample.byteLength - 5, 5],
  ] as const;
  for (const [offset, length] of ranges) {
    const got = await pick().get(id, { range: { offset, length } });
    expect(
      equalBytes(got, sample.subarray(offset, offset + length)),
      `${length} bytes at offset ${offset} were read wrong`,
    );
  }
  const past = { offset: sample.byteLength - 5, length: 6 };
  await expectCode("SEJF_RANGE", "reading past the end of a blob", () =>
    pick().get(id, { range: past }),
  );
}

async function checkMetadata(
  storage: BlobStorage,
  id: BlobId,
  length: number,
  options: StorageValidationOptions,
): Promise<void> {
  const metadata = await storage.stat(id);
  if (metadata === undefined) throw failure(`blob ${id} was written and has no metadata`);
  expect(
    metadata.lengthBytes === length,
    `blob ${id} is said to be ${metadata.lengthBytes} bytes, ${length} were written`,
  );
  const driftMs = Math.abs(
    (options.clock ?? systemClock).nowMs() - Number(metadata.timestamp / 1_000_000n),
  );
  const allowedMs = options.maxClockDriftMs ?? 180_000;
  expect(
    driftMs <= allowedMs,
    `a new blob is dated ${Math.round(driftMs / 1000)} s away from this machine's clock, allowed are ${allowedMs / 1000} s`,
  );
}

function makeSample(): Uint8Array {
  const sample = new Uint8Array(SAMPLE_BYTES);
  for (let i = 0; i < sample.length; i++) sample[i] = (i % 5) + 1;
  return sample;
}

async function cleanUp(storage: BlobStorage, prefix: string, failedBefore: boolean): Promise<void> {
  try {
    for (const { id } of await listAllBlobs(storage, prefix)) await storage.delete(id);
  } catch (error) {
    // the failure that led here tells more than this one
    if (!failedBefore) throw error;
  }
}

async function expectCode(
  code: ErrorCode,
  doing: string,
  call: () => Promise<unknown>,
  also?: ErrorCode,
): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (isSejfError(error, code) || (also !== undefined && isSejfError(error, also))) return;
    throw error;
  }
  throw failure(`${doing} succeeded, expected ${code}`);
}

function expect(condition: boolean, otherwise: string): void {
  if (!condition) throw failure(otherwise);
}

function failure(what: string): SejfError {
  return new SejfError("SEJF_UNSUPPORTED", `the store is not fit for a repository: ${what}`, {
    hint: "use another store, or report this to its provider",
  });
}
