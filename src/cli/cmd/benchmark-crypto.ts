/** `benchmark crypto`: how fast hash and encryption together are here, fastest pair first. */
import { runBenchmark } from "../../node/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { inert } from "../flags.ts";
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
  summary: "Run combined hash and encryption benchmarks",
  flags: {
    blockSize: blockSizeFlag("Size of a block to encrypt", "1MB"),
    repeat: repeatFlag(100),
    deprecated: inert("switch", "no deprecated algorithms are left"),
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
    for await (const result of runBenchmark("crypto", { blockBytes, repeat }, parallel, signal)) {
      log.info(
        `Benchmarked hash '${result.hash}' and encryption '${result.encryption}' (${repeat} x ${blockBytes} bytes, parallelism ${parallel})`,
      );
      found.push(result);
    }
    const results = fastestFirst(found);
    out.line(`     ${"Hash".padEnd(20)} ${"Encryption".padEnd(30)} Throughput`);
    out.line(RULE);
    for (const [at, { hash, encryption, bytesPerSecond }] of results.entries()) {
      const option = flags.printOptions
        ? `,   --block-hash=${hash} --encryption=${encryption}`
        : "";
      out.line(
        `${rank(at)}${hash.padEnd(20)} ${encryption.padEnd(30)} ${perSecond(bytesPerSecond)}${option}`,
      );
    }
    out.line(RULE);
    const fastest = results[0];
    if (fastest !== undefined)
      out.line(
        `Fastest option for this machine is: --block-hash=${fastest.hash} --encryption=${fastest.encryption}`,
      );
    return 0;
  },
});
