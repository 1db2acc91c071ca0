/** `benchmark compression`: how fast and how well each compressor works here on the data of a file. */
import { open } from "node:fs/promises";
import { errorFromUnknown } from "../../errors/index.ts";
import { offeredCompressors, runBenchmark } from "../../node/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { choice, flag, integer, refused, text } from "../flags.ts";
import { formatBytes } from "../output/units.ts";
import {
  assertPositive,
  fastestFirst,
  PARALLEL_FLAG,
  PRINT_OPTIONS_FLAG,
  rank,
} from "../shared/benchmark-flags.ts";
import { usageError } from "../usage-error.ts";

/** No more of a file is read, and that much is compressed with each compressor unless told otherwise. */
const DATA_BYTES = 128 << 20;
const RULE = "-".repeat(65);

interface Measured {
  readonly name: string;
  readonly deprecated: boolean;
  readonly compressedBytes: number;
  readonly bytesPerSecond: number;
}

interface PrintOptions {
  readonly bySize: boolean;
  readonly printOptions: boolean;
}

export const command: Command = defineCommand({
  summary: "Run compression benchmarks",
  flags: {
    repeat: integer("Number of repetitions (default as many as make 128 MiB)"),
    dataFile: text("Use data from the given file", { required: true, placeholder: "FILE" }),
    bySize: flag("Sort results by size"),
    byAlloc: refused("switch", "allocations are not counted"),
    parallel: PARALLEL_FLAG,
    operations: choice("Operations", ["compress", "decompress", "both"], { default: "both" }),
    verifyStable: flag("Verify that compression is stable"),
    printOptions: PRINT_OPTIONS_FLAG,
    deprecated: flag("Included deprecated compression algorithms"),
    algorithms: text("Comma-separated list of algorithms to benchmark, by their beginnings", {
      placeholder: "NAMES",
    }),
  },
  async run(context, flags) {
    const { log, signal } = context;
    const algorithms = chosenAlgorithms(flags.algorithms, flags.deprecated);
    assertPositive("--parallel", flags.parallel);
    const data = await readData(context, flags.dataFile);
    const given = flags.repeat === undefined || flags.repeat === 0 ? undefined : flags.repeat;
    const repeat = given ?? Math.max(1, Math.floor(DATA_BYTES / data.length));
    assertPositive("--repeat", repeat);
    const { operations, verifyStable } = flags;
    log.info(
      `Will repeat each benchmark ${repeat} times per compression method (total ${formatBytes(repeat * data.length)}). Override with --repeat=N.`,
    );
    const options = { data, repeat, algorithms, operations, verifyStable };
    const compressing: Measured[] = [];
    const decompressing: Measured[] = [];
    for await (const result of runBenchmark("compression", options, flags.parallel, signal)) {
      log.info(`Benchmarked compressor '${result.name}'`);
      if (!result.stable) log.error(`compression "${result.name}" is not stable`);
      const { compressBytesPerSecond: into, decompressBytesPerSecond: outOf } = result;
      if (into !== undefined) compressing.push({ ...result, bytesPerSecond: into });
      if (outOf !== undefined) decompressing.push({ ...result, bytesPerSecond: outOf });
    }
    if (compressing.length > 0) print(context, "Compression", compressing, flags);
    if (decompressing.length > 0) print(context, "Decompression", decompressing, flags);
    return 0;
  },
});

/** @throws SEJF_INVALID_ARGUMENT when none is left. */
function chosenAlgorithms(given: string | undefined, deprecated: boolean): readonly string[] {
  if (given === undefined || given === "") return offeredCompressors(deprecated);
  const beginnings = given.split(",");
  const chosen = offeredCompressors(true).filter((name) =>
    beginnings.some((beginning) => name.startsWith(beginning)),
  );
  if (chosen.length > 0) return chosen;
  throw usageError(
    `--algorithms: no compressor begins with ${JSON.stringify(given)}`,
    `there are ${offeredCompressors(true).join(", ")}`,
  );
}

async function readData(context: CommandContext, path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > DATA_BYTES)
      context.log.info("NOTICE: The provided input file is too big, using first 128 MiB.");
    const data = new Uint8Array(Math.min(size, DATA_BYTES));
    let at = 0;
    while (at < data.length) {
      const { bytesRead } = await file.read(data, at, data.length - at, at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    if (at > 0) return data.subarray(0, at);
  } catch (error) {
    throw errorFromUnknown(error, `reading ${path}`);
  }
  throw usageError(`--data-file: ${path} is empty`);
}

function print(
  { out }: CommandContext,
  title: string,
  measured: readonly Measured[],
  options: PrintOptions,
): void {
  const results = options.bySize
    ? measured.toSorted((a, b) => a.compressedBytes - b.compressedBytes)
    : fastestFirst(measured);
  out.line(`     ${title.padEnd(26)} ${"Compressed".padEnd(12)} Throughput`);
  out.line(RULE);
  for (const [at, { name, compressedBytes, bytesPerSecond, deprecated }] of results.entries()) {
    const size = formatBytes(compressedBytes).padEnd(12);
    const speed = `${formatBytes(bytesPerSecond).padStart(8)}/s`;
    const note = deprecated ? " (deprecated)" : "";
    const option = options.printOptions ? `, --compression=${name}` : "";
    out.line(`${rank(at)}${name.padEnd(26)} ${size} ${speed}${note}${option}`);
  }
}
