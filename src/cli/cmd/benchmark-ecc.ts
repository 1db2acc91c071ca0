/** `benchmark ecc`: how fast error correction is here by the room it takes, writing and repairing. */
import { type EccBenchmarkResult, runBenchmark } from "../../node/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { Output } from "../output/output.ts";
import { formatBytes } from "../output/units.ts";
import {
  assertPositive,
  blockSizeFlag,
  PARALLEL_FLAG,
  parseSize,
  PRINT_OPTIONS_FLAG,
  rank,
  repeatFlag,
} from "../shared/benchmark-flags.ts";

const OVERHEADS_PERCENT = [1, 2, 5, 10, 20] as const;
const RULE = "-".repeat(87);

interface Measured extends EccBenchmarkResult {
  readonly overheadPercent: number;
}

export const command: Command = defineCommand({
  summary: "Run ECC benchmarks",
  description: "Decoding repairs a damaged byte in every block.",
  flags: {
    blockSize: blockSizeFlag("Size of a block to encode", "10MB"),
    repeat: repeatFlag(100),
    parallel: PARALLEL_FLAG,
    printOptions: PRINT_OPTIONS_FLAG,
  },
  async run(context, flags) {
    const { log, out, signal } = context;
    const blockBytes = parseSize("--block-size", flags.blockSize);
    const { repeat, parallel } = flags;
    assertPositive("--repeat", repeat);
    assertPositive("--parallel", parallel);
    const found: Measured[] = [];
    for (const overheadPercent of OVERHEADS_PERCENT) {
      const options = { blockBytes, repeat, overheadPercent };
      for await (const result of runBenchmark("ecc", options, parallel, signal)) {
        log.info(
          `Benchmarked ECC '${result.name}' with ${overheadPercent}% space overhead (${repeat} x ${blockBytes} bytes, parallelism ${parallel})`,
        );
        found.push({ ...result, overheadPercent });
      }
    }
    const results = found.toSorted((a, b) => slower(b) - slower(a));
    print(out, results, blockBytes, flags.printOptions);
    return 0;
  },
});

function slower({ bytesPerSecond, decodeBytesPerSecond }: Measured): number {
  return Math.min(bytesPerSecond, decodeBytesPerSecond);
}

function options({ name, overheadPercent }: Measured): string {
  return `--ecc=${name} --ecc-overhead-percent=${overheadPercent}`;
}

function print(
  out: Output,
  results: readonly Measured[],
  blockBytes: number,
  withOptions: boolean,
): void {
  const columns = (
    ...[name, encoding, decoding, growth]: [string, string, string, string]
  ): string =>
    `     ${name.padEnd(30)} ${encoding.padStart(14)} ${decoding.padStart(14)}   ${growth}`;
  out.line(columns("ECC", "Throughput", "Throughput", "Growth".padStart(10)));
  out.line(columns("", "Encoding", "Decoding", "".padStart(6)));
  out.line(RULE);
  for (const [at, result] of results.entries()) {
    const name = `${result.name} - ${result.overheadPercent}%`.padEnd(30);
    const encoding = formatBytes(result.bytesPerSecond).padStart(12);
    const decoding = formatBytes(result.decodeBytesPerSecond).padStart(12);
    const growth = String(Math.round((result.encodedBytes / blockBytes - 1) * 100)).padStart(6);
    const size = formatBytes(result.encodedBytes);
    const option = withOptions ? `,   ${options(result)}` : "";
    out.line(`${rank(at)}${name} ${encoding}/s ${decoding}/s   ${growth}% [${size}]${option}`);
  }
  out.line(RULE);
  if (results[0] !== undefined)
    out.line(`Fastest option for this machine is: ${options(results[0])}`);
}
