/**
 * Measurements behind `sejf benchmark`: how fast this machine hashes, encrypts, splits and compresses in one thread,
 * algorithm by algorithm. Each is a generator, so that results can be shown as they come. `parallel.ts` runs them in
 * several threads.
 */
import { createCipheriv, createHash } from "node:crypto";
import { equalBytes } from "../../bytes/index.ts";
import { COMPRESSORS, type CompressorInfo, compressorByName } from "../../compress/index.ts";
import { ENCRYPTION_ALGORITHMS, HASH_ALGORITHMS } from "../../crypto/index.ts";
import { createEcc, ECC_ALGORITHMS } from "../../ecc/index.ts";
import { SejfError } from "../../errors/index.ts";
import { SPLITTERS, type Splitter } from "../../splitter/index.ts";
import { nodeCompressionEngine } from "../compress/index.ts";
import { createNodeContentCipher, nodeCryptoEngine, nodeRandom } from "../crypto/index.ts";
import { createFastSplitter } from "../wasm/index.ts";

/** How much each algorithm does. */
export interface BenchmarkAmount {
  readonly blockBytes: number;
  /** Blocks measured, after one that is not. 1 or more. */
  readonly repeat: number;
}

export interface BenchmarkResult {
  readonly name: string;
  readonly bytesPerSecond: number;
}

/** Every keyed hash. */
export function* benchmarkHashing(amount: BenchmarkAmount): Generator<BenchmarkResult> {
  const data = nodeRandom.bytes(amount.blockBytes);
  for (const { name } of HASH_ALGORITHMS) {
    const hash = nodeCryptoEngine.contentHash(name, nodeRandom.bytes(32));
    yield { name, bytesPerSecond: measure(amount, () => hash.hash(data)) };
  }
}

/** Every encryption of contents. */
export function* benchmarkEncryption(amount: BenchmarkAmount): Generator<BenchmarkResult> {
  const data = nodeRandom.bytes(amount.blockBytes);
  const iv = nodeRandom.bytes(16);
  for (const { name } of ENCRYPTION_ALGORITHMS) {
    const cipher = createNodeContentCipher(name, nodeRandom.bytes(32), nodeRandom);
    yield { name, bytesPerSecond: measure(amount, () => cipher.encrypt(data, iv)) };
  }
}

/** A hash and an encryption together, as a content needs them. */
export interface CryptoBenchmarkResult extends BenchmarkResult {
  readonly hash: string;
  readonly encryption: string;
}

/** Every pair of a hash and an encryption. */
export function* benchmarkCrypto(amount: BenchmarkAmount): Generator<CryptoBenchmarkResult> {
  const data = nodeRandom.bytes(amount.blockBytes);
  for (const { name: encryption } of ENCRYPTION_ALGORITHMS) {
    const cipher = createNodeContentCipher(encryption, nodeRandom.bytes(32), nodeRandom);
    for (const { name: hash } of HASH_ALGORITHMS) {
      const contentHash = nodeCryptoEngine.contentHash(hash, nodeRandom.bytes(32));
      const bytesPerSecond = measure(amount, () =>
        cipher.encrypt(data, contentHash.hash(data).subarray(-16)),
      );
      yield { name: `${hash} ${encryption}`, hash, encryption, bytesPerSecond };
    }
  }
}

export interface EccBenchmarkOptions extends BenchmarkAmount {
  /** Space for parity, 1 or more. */
  readonly overheadPercent: number;
}

export interface EccBenchmarkResult extends BenchmarkResult {
  /** Of a block with one damaged byte, which is repaired each time. */
  readonly decodeBytesPerSecond: number;
  /** What a block becomes. */
  readonly encodedBytes: number;
}

/** Every error correction: writing, and reading what was damaged. */
export function* benchmarkEcc(options: EccBenchmarkOptions): Generator<EccBenchmarkResult> {
  const data = nodeRandom.bytes(options.blockBytes);
  for (const name of ECC_ALGORITHMS) {
    const ecc = createEcc(name, options.overheadPercent);
    if (ecc === undefined) continue;
    const damaged = ecc.encode(data);
    const encodedBytes = damaged.length;
    const middle = encodedBytes >>> 1;
    damaged[middle] = (damaged[middle] ?? 0) ^ 1;
    yield {
      name,
      encodedBytes,
      bytesPerSecond: measure(options, () => ecc.encode(data)),
      decodeBytesPerSecond: measure(options, () => ecc.decode(damaged)),
    };
  }
}

export interface SplitterBenchmarkResult extends BenchmarkResult {
  /** Lengths of all segments, ascending. At least one. */
  readonly segmentBytes: readonly number[];
}

export interface SplitterBenchmarkOptions extends BenchmarkAmount {
  /** The same seed gives the same bytes; absent: fresh ones. */
  readonly seed?: number | undefined;
}

/** Every splitter over blocks of random bytes, each block a stream of its own. */
export function* benchmarkSplitter(
  amount: SplitterBenchmarkOptions,
): Generator<SplitterBenchmarkResult> {
  const blocks = Array.from({ length: amount.repeat }, (_, number) =>
    amount.seed === undefined
      ? nodeRandom.bytes(amount.blockBytes)
      : seededBytes(`${amount.seed} ${number}`, amount.blockBytes),
  );
  for (const { name } of SPLITTERS) {
    const splitter = createFastSplitter(name);
    splitBlock(splitter, blocks[0] ?? new Uint8Array(0), []);
    const segments: number[] = [];
    const startNs = process.hrtime.bigint();
    for (const block of blocks) splitBlock(splitter, block, segments);
    const seconds = secondsSince(startNs);
    const bytesPerSecond = (amount.repeat * amount.blockBytes) / seconds;
    yield { name, bytesPerSecond, segmentBytes: segments.toSorted((a, b) => a - b) };
  }
}

/** A key stream: random to a splitter, and the same again for the same seed. */
function seededBytes(seed: string, length: number): Uint8Array {
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-256-ctr", key, new Uint8Array(16));
  return cipher.update(new Uint8Array(length));
}

/** Fed as files are read. */
const READ_BYTES = 256 * 1024;

function splitBlock(splitter: Splitter, block: Uint8Array, segments: number[]): void {
  splitter.reset();
  let start = 0;
  let at = 0;
  while (at < block.length) {
    const piece = block.subarray(at, Math.min(at + READ_BYTES, block.length));
    const cut = splitter.nextCut(piece);
    at += cut < 0 ? piece.length : cut;
    if (cut < 0) continue;
    segments.push(at - start);
    start = at;
  }
  if (start < block.length) segments.push(block.length - start);
}

export interface CompressionBenchmarkOptions {
  readonly data: Uint8Array;
  readonly repeat: number;
  /** Kopia's names; all usable ones when absent. */
  readonly algorithms?: readonly string[] | undefined;
  readonly deprecated?: boolean | undefined;
  /** Default both. */
  readonly operations?: "compress" | "decompress" | "both" | undefined;
  /** Every repetition is compared with the first. */
  readonly verifyStable?: boolean | undefined;
}

export interface CompressionBenchmarkResult {
  readonly name: string;
  readonly deprecated: boolean;
  /** Header and stream. */
  readonly compressedBytes: number;
  /** Of plain bytes, both. */
  readonly compressBytesPerSecond: number | undefined;
  readonly decompressBytesPerSecond: number | undefined;
  /** False: two repetitions gave different bytes. Only looked at with `verifyStable`. */
  readonly stable: boolean;
}

/** Compressors over the given data. @throws SEJF_UNSUPPORTED for an unknown name, SEJF_INVALID_ARGUMENT for no data. */
export function* benchmarkCompression(
  options: CompressionBenchmarkOptions,
): Generator<CompressionBenchmarkResult> {
  const { data, repeat, operations = "both" } = options;
  if (data.length === 0) throw new SejfError("SEJF_INVALID_ARGUMENT", "no data to compress");
  const amount = { blockBytes: data.length, repeat };
  for (const name of options.algorithms ?? offeredCompressors(options.deprecated ?? false)) {
    const compressor = compressorByName(name, nodeCompressionEngine);
    const payload = compressor.compress(data);
    let stable = true;
    const compress = (): void => {
      const again = compressor.compress(data);
      if (options.verifyStable === true && !equalBytes(again, payload)) stable = false;
    };
    const decompress = (): Uint8Array => compressor.decompress(payload, data.length);
    const compressRate = operations === "decompress" ? undefined : measure(amount, compress);
    const decompressRate = operations === "compress" ? undefined : measure(amount, decompress);
    yield {
      name,
      deprecated: compressor.deprecated,
      compressedBytes: payload.length,
      compressBytesPerSecond: compressRate,
      decompressBytesPerSecond: decompressRate,
      stable,
    };
  }
}

/** Names of the compressors that can write. */
export function offeredCompressors(deprecated: boolean): readonly string[] {
  return COMPRESSORS.filter((one) => isOffered(one, deprecated)).map((one) => one.name);
}

function isOffered(one: CompressorInfo, deprecated: boolean): boolean {
  return one.codec !== "lz4" && (deprecated || !one.deprecated);
}

/** Bytes a second over all repetitions. */
function measure({ blockBytes, repeat }: BenchmarkAmount, run: () => unknown): number {
  if (!Number.isInteger(repeat) || repeat < 1)
    throw new RangeError(`${repeat} repetitions, expected 1 or more`);
  run();
  const startNs = process.hrtime.bigint();
  for (let i = 0; i < repeat; i++) run();
  return (blockBytes * repeat) / secondsSince(startNs);
}

function secondsSince(startNs: bigint): number {
  return Math.max(1, Number(process.hrtime.bigint() - startNs)) / 1e9;
}
