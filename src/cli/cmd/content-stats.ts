/** `content stats`: how many contents there are, how large, and how well compressed. */
import { COMPRESSORS, type CompressorId } from "../../compress/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { flag } from "../flags.ts";
import { formatSavedPercent, SizeHistogram, sizeText } from "../output/sizes.ts";
import { contentRange, RANGE_FLAGS } from "../shared/content-range.ts";

interface Totals {
  count: number;
  originalBytes: number;
  packedBytes: number;
}

export const command: Command = defineCommand({
  summary: "Content statistics",
  flags: { raw: flag("Raw numbers", { short: "r" }), ...RANGE_FLAGS },
  async run(context, flags) {
    const range = contentRange(flags);
    await using repository = await context.openDirectRepository();
    const all = emptyTotals();
    const byMethod = new Map<CompressorId, Totals>();
    const histogram = new SizeHistogram();
    for await (const page of repository.contents.list({ ...range, signal: context.signal })) {
      for (const { compressionId, originalLength, packedLength } of page) {
        const method = byMethod.get(compressionId) ?? emptyTotals();
        byMethod.set(compressionId, method);
        for (const totals of [all, method]) {
          totals.count++;
          totals.originalBytes += originalLength;
          totals.packedBytes += packedLength;
        }
        histogram.add(packedLength);
      }
    }
    printTotals(context, all, flags.raw);
    if (byMethod.size > 1) printMethods(context, byMethod, flags.raw);
    if (all.count === 0) return 0;
    const average = Math.floor(all.originalBytes / all.count);
    context.out.line(`Average: ${sizeText(average, flags.raw)}`);
    histogram.print(context.out, flags.raw);
    return 0;
  },
});

function emptyTotals(): Totals {
  return { count: 0, originalBytes: 0, packedBytes: 0 };
}

function printTotals({ out }: CommandContext, all: Totals, isRaw: boolean): void {
  out.line(`Count: ${all.count}`);
  out.line(`Total Bytes: ${sizeText(all.originalBytes, isRaw)}`);
  if (all.packedBytes >= all.originalBytes) return;
  const saved = formatSavedPercent(all.originalBytes, all.packedBytes);
  out.line(`Total Packed: ${sizeText(all.packedBytes, isRaw)} (compression ${saved})`);
}

function printMethods(
  { out }: CommandContext,
  byMethod: ReadonlyMap<CompressorId, Totals>,
  isRaw: boolean,
): void {
  out.line("By Method:");
  const none = byMethod.get(0);
  if (none !== undefined) {
    const size = sizeText(none.originalBytes, isRaw);
    out.line(`  ${"(uncompressed)".padEnd(22)} count: ${none.count} size: ${size}`);
  }
  for (const { id, name } of COMPRESSORS) {
    const method = byMethod.get(id);
    if (method === undefined) continue;
    const { originalBytes, packedBytes } = method;
    const sizes = `size: ${sizeText(originalBytes, isRaw)} packed: ${sizeText(packedBytes, isRaw)}`;
    out.line(
      `  ${name.padEnd(22)} count: ${method.count} ${sizes} compression: ${formatSavedPercent(originalBytes, packedBytes)}`,
    );
  }
}
