/**
 * Compressors over 4 MiB of JSON lines and of random bytes, both ways. Run: `node bench/compress.bench.ts`; with
 * `KOPIA_EXE` set, `kopia benchmark compression` over the same JSON lines is shown beside.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compressorByName, worthCompressing } from "../src/compress/index.ts";
import { nodeCompressionEngine, nodeRandom } from "../src/node/index.ts";
import { kopiaBenchmark, printThroughput, type ThroughputCase } from "./throughput.ts";

const BYTES = 4 * 1024 * 1024;
const NAMES = [
  "zstd-fastest",
  "zstd",
  "zstd-better-compression",
  "s2-default",
  "s2-better",
  "gzip-best-speed",
  "gzip",
];

/** Lines of a log: structure repeats, numbers do not. */
function jsonLines(): Uint8Array {
  const lines: string[] = [];
  const numbers = new DataView(nodeRandom.bytes(BYTES / 8).buffer);
  for (let at = 0, length = 0; length < BYTES; at = (at + 8) % (BYTES / 8)) {
    const [id, user] = [numbers.getUint32(at), numbers.getUint16(at + 4)];
    const line = `{"time":"2026-01-01T00:00:${user % 60}Z","id":${id},"user":"user-${user}","path":"/api/v1/items/${id % 997}","status":200}\n`;
    lines.push(line);
    length += line.length;
  }
  return new TextEncoder().encode(lines.join("")).subarray(0, BYTES);
}

const text = jsonLines();
const random = nodeRandom.bytes(BYTES);
const cases: ThroughputCase[] = [];
for (const name of NAMES) {
  const compressor = compressorByName(name, nodeCompressionEngine);
  const payload = compressor.compress(text);
  cases.push({ name, bytes: BYTES, run: () => compressor.compress(text) });
  cases.push({
    name: `${name}, reading (ratio ${(BYTES / payload.length).toFixed(2)})`,
    bytes: BYTES,
    run: () => compressor.decompress(payload, BYTES),
  });
  cases.push({
    name: `${name}, random bytes`,
    bytes: BYTES,
    run: () => compressor.compress(random),
  });
}
const probe = (sample: Uint8Array): number => nodeCompressionEngine.zstdCompress(sample, 1).length;
cases.push({
  name: "probing random bytes",
  bytes: BYTES,
  run: () => worthCompressing(random, probe),
});

const folder = mkdtempSync(join(tmpdir(), "sejf-bench-"));
try {
  const file = join(folder, "lines.json");
  writeFileSync(file, text);
  const args = [
    "compression",
    `--data-file=${file}`,
    `--algorithms=${NAMES.join(",")}`,
    "--operations=compress",
  ];
  await printThroughput(cases, kopiaBenchmark(args, /^\s*\d+\.\s+(\S+)\s+\d.*?\s([\d.]+ \S+)\/s/));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
