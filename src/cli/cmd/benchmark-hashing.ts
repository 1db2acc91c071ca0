/** `benchmark hashing`: how fast each hash is here, fastest first. */
import { runBenchmark } from "../../node/index.ts";
import { type Command, defineCommand } from "../command.ts";
import {
  assertPositive,
  blockSizeFlag,
  fastestFirst,
  PARALLEL_FLAG,
  parseSize,
  perSecond,
  PRINT_OPTIONS_FLAG,
  rank,
  repeatFlag,
  RULE,
} from "../shared/benchmark-flags.ts";

export const command: Command = defineCommand({
  summary: "Run hashing function benchmarks",
  flags: {
    blockSize: blockSizeFlag("Size of a block to hash", "1MB"),
    repeat: repeatFlag(100),
    parallel: PARALLEL_FLAG,
    printOptions: PRINT_OPTIONS_FLAG,
  },
  async run(context, flags) {
    const { out, log, signal } = context;
    const blockBytes = parseSize("--block-size", flags.blockSize);
    const { repeat, parallel } = flags;
    assertPositive("--repeat", repeat);
    assertPositive("--parallel", parallel);
    const found = [];
    for await (const result of runBenchmark("hashing", { blockBytes, repeat }, parallel, signal)) {
      log.info(
        `Benchmarked hash '${result.name}' (${repeat} x ${blockBytes} bytes, parallelism ${parallel})`,
      );
      found.push(result);
    }
    const results = fastestFirst(found);
    out.line(`     ${"Hash".padEnd(20)} Throughput`);
    out.line(RULE);
    for (const [at, { name, bytesPerSecond }] of results.entries()) {
      const option = flags.printOptions ? `,   --block-hash=${name}` : "";
      out.line(`${rank(at)}${name.padEnd(20)} ${perSecond(bytesPerSecond)}${option}`);
    }
    out.line(RULE);
    out.line(`Fastest option for this machine is: --block-hash=${results[0]?.name ?? ""}`);
    return 0;
  },
});
