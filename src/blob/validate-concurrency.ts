/**
 * The concurrency part of the store's trial: writers put blobs whose bytes follow from a seed, while readers check
 * that a blob is whole or absent, and never absent once its put has resolved.
 */
import {
  bytesToHex,
  type Clock,
  concatBytes,
  equalBytes,
  type OwnedBytes,
  type Random,
  viewOf,
} from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import { toBlobId } from "./blob-id.ts";
import type { BlobId, BlobStorage } from "./storage.ts";
import type { Sleep } from "./token-bucket.ts";

export interface ConcurrencyTest {
  readonly pick: () => BlobStorage;
  readonly prefix: string;
  readonly durationMs: number;
  readonly putWorkers: number;
  readonly getWorkers: number;
  readonly metadataWorkers: number;
  readonly listWorkers: number;
  readonly maxBlobBytes: number;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly random: Random;
  readonly signal: AbortSignal | undefined;
}

interface Sample {
  readonly id: BlobId;
  readonly seed: number;
  readonly length: number;
  written: boolean;
}

const MAX_PAUSE_MS = 500;

/** @throws SEJF_UNSUPPORTED for the first blob that was torn or lost. */
export async function runConcurrencyTest(test: ConcurrencyTest): Promise<void> {
  const endMs = test.clock.nowMs() + test.durationMs;
  const samples: Sample[] = [];
  const stop = new AbortController();
  const signal =
    test.signal === undefined ? stop.signal : AbortSignal.any([test.signal, stop.signal]);
  const workers = (count: number, round: (signal: AbortSignal) => Promise<void>): Promise<void>[] =>
    Array.from({ length: count }, async () => {
      try {
        while (test.clock.nowMs() < endMs) await round(signal);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    });
  const results = await Promise.allSettled([
    ...workers(test.putWorkers, (both) => putRound(test, samples, both)),
    ...workers(test.getWorkers, (both) => getRound(test, samples, both)),
    ...workers(test.metadataWorkers, (both) => statRound(test, samples, both)),
    ...workers(test.listWorkers, (both) => listRound(test, samples, both)),
  ]);
  // the worker that failed first is the reason of the others' abort, so any of them has the right error
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function putRound(
  test: ConcurrencyTest,
  samples: Sample[],
  signal: AbortSignal,
): Promise<void> {
  const seed = randomBelow(test.random, 0xffff_ffff) + 1;
  const length = randomBelow(test.random, test.maxBlobBytes);
  const id = toBlobId(test.prefix + bytesToHex(test.random.bytes(16)));
  const sample: Sample = { id, seed, length, written: false };
  samples.push(sample);
  // readers may look for the blob before it is there
  await pause(test, signal);
  await test.pick().put(id, bytesOf(sample), { signal });
  sample.written = true;
}

async function getRound(
  test: ConcurrencyTest,
  samples: readonly Sample[],
  signal: AbortSignal,
): Promise<void> {
  await pause(test, signal);
  const sample = pickSample(test, samples);
  if (sample === undefined) return;
  const { written } = sample;
  let data: OwnedBytes;
  try {
    data = await test.pick().get(sample.id, { signal });
  } catch (error) {
    if (isSejfError(error, "SEJF_BLOB_NOT_FOUND") && !written) return;
    throw error;
  }
  if (!equalBytes(data, bytesOf(sample)))
    throw failure(`blob ${sample.id} was read with other bytes than were written`);
}

async function statRound(
  test: ConcurrencyTest,
  samples: readonly Sample[],
  signal: AbortSignal,
): Promise<void> {
  await pause(test, signal);
  const sample = pickSample(test, samples);
  if (sample === undefined) return;
  const { written } = sample;
  const metadata = await test.pick().stat(sample.id, { signal });
  if (metadata === undefined) {
    if (written) throw failure(`blob ${sample.id} was written and has no metadata`);
  } else if (metadata.lengthBytes !== sample.length) {
    throw failure(
      `blob ${sample.id} is said to be ${metadata.lengthBytes} bytes, ${sample.length} were written`,
    );
  }
}

async function listRound(
  test: ConcurrencyTest,
  samples: readonly Sample[],
  signal: AbortSignal,
): Promise<void> {
  await pause(test, signal);
  const expected = new Map(
    samples.filter(({ written }) => written).map((sample) => [sample.id, sample.length]),
  );
  for await (const page of test.pick().list(test.prefix, { signal })) {
    for (const { id, lengthBytes } of page) {
      const length = expected.get(id);
      if (length !== undefined && length !== lengthBytes)
        throw failure(`blob ${id} is listed with ${lengthBytes} bytes, ${length} were written`);
      expected.delete(id);
    }
  }
  for (const id of expected.keys()) throw failure(`blob ${id} was written and is not listed`);
}

async function pause(test: ConcurrencyTest, signal: AbortSignal): Promise<void> {
  await test.sleep(randomBelow(test.random, MAX_PAUSE_MS), signal);
}

function pickSample(test: ConcurrencyTest, samples: readonly Sample[]): Sample | undefined {
  return samples.length === 0 ? undefined : samples[randomBelow(test.random, samples.length)];
}

/** xorshift32: the bytes of a sample are made again instead of being kept. */
function bytesOf(sample: Sample): OwnedBytes {
  const words = new Uint32Array(Math.ceil(sample.length / 4));
  let state = sample.seed | 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return concatBytes(new Uint8Array(words.buffer, 0, sample.length));
}

function randomBelow(random: Random, limit: number): number {
  return Math.floor((viewOf(random.bytes(4)).getUint32(0) / 0x1_0000_0000) * limit);
}

function failure(what: string): SejfError {
  return new SejfError("SEJF_UNSUPPORTED", `the store is not fit for a repository: ${what}`, {
    hint: "use another store, or report this to its provider",
  });
}
