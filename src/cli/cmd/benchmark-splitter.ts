/** `benchmark splitter`: how fast each splitter is here, and how long its segments are. */
import { runBenchmark, type SplitterBenchmarkResult } from "../../node/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag, integer } from "../flags.ts";
import { formatBytes } from "../output/units.ts";
import {
  assertPositive,
  blockSizeFlag,
  fastestFirst,
  PARALLEL_FLAG,
  parseSize,
  rank,
  RULE,
} from "../shared/benchmark-flags.ts";

export const command: Command = defineCommand({
  summary: "Run splitter benchmarks",
  flags: {
    randSeed: integer("Random seed", { default: 42 }),
    dataSize: blockSizeFlag("Size of a data to split", "32MB"),
    blockCount: integer("Number of data blocks to split", { default: 16 }),
    printOptions: flag("Print out the fastest dynamic splitter option"),
    parallel: PARALLEL_FLAG,
  },
  async run(context, flags) {
    const { out, log, signal } = context;
    const { blockCount: repeat, parallel, randSeed: seed } = flags;
    const blockBytes = parseSize("--data-size", flags.dataSize);
    assertPositive("--block-count", repeat);
    assertPositive("--parallel", parallel);
    log.info(
      `splitting ${repeat} blocks of ${formatBytes(blockBytes)} each, parallelism ${parallel}`,
    );
    const found: SplitterBenchmarkResult[] = [];
    const options = { blockBytes, repeat, seed };
    for await (const result of runBenchmark("splitter", options, parallel, signal)) {
      const speed = formatBytes(result.bytesPerSecond).padStart(12);
      out.line(`${result.name.padEnd(25)} ${speed}/s ${segments(result)}`);
      out.flush();
      found.push(result);
    }
    const results = fastestFirst(found);
    out.line(RULE);
    for (const [at, result] of results.entries()) {
      const speed = formatBytes(result.bytesPerSecond).padEnd(12);
      out.line(`${rank(at)}${result.name.padEnd(25)} ${speed}/s ${segments(result)}`);
    }
    const best = results.find(({ name }) => !name.startsWith("FIXED"));
    if (flags.printOptions && best !== undefined)
      out.line(`Fastest option for this machine is: --object-splitter=${best.name}`);
    return 0;
  },
});

function segments({ segmentBytes }: SplitterBenchmarkResult): string {
  const count = segmentBytes.length;
  const at = (percent: number): number => segmentBytes[Math.floor((count * percent) / 100)] ?? 0;
  const parts = [10, 25, 50, 75, 90].map((percent) => `${percent}th:${at(percent)}`);
  return `count:${count} min:${at(0)} ${parts.join(" ")} max:${segmentBytes.at(-1) ?? 0}`;
}
