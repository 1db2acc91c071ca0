/** `blob stats`: how many blobs the storage holds and how large they are. */
import { type Command, defineCommand } from "../command.ts";
import { flag, text } from "../flags.ts";
import { SizeHistogram, sizeText } from "../output/sizes.ts";

const TELL_EVERY = 10_000;

export const command: Command = defineCommand({
  summary: "Blob statistics",
  flags: {
    raw: flag("Raw numbers", { short: "r" }),
    prefix: text("Blob name prefix", { placeholder: "PREFIX" }),
  },
  async run(context, flags) {
    await using connection = await context.openConnection();
    const { out, signal } = context;
    const histogram = new SizeHistogram();
    let count = 0;
    let totalBytes = 0;
    for await (const page of connection.storage.list(flags.prefix ?? "", { signal })) {
      for (const { lengthBytes } of page) {
        count++;
        totalBytes += lengthBytes;
        histogram.add(lengthBytes);
        if (count % TELL_EVERY === 0) context.log.info(`Got ${count} blobs...`);
      }
    }
    out.line(`Count: ${count}`);
    out.line(`Total: ${sizeText(totalBytes, flags.raw)}`);
    if (count === 0) return 0;
    out.line(`Average: ${sizeText(Math.floor(totalBytes / count), flags.raw)}`);
    histogram.print(out, flags.raw);
    return 0;
  },
});
