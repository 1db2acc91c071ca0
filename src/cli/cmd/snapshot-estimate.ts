/** `snapshot estimate`: what a snapshot would hold, and how long its upload would take. Reference: kopia cli/command_snapshot_estimate.go. */
import { formatDuration } from "../../bytes/index.ts";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { SejfError } from "../../errors/index.ts";
import { type Estimate, estimateTree, policyTree, type SizeBucket } from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { decimal, flag, integer } from "../flags.ts";
import { formatBytes } from "../output/units.ts";
import { usageError } from "../usage-error.ts";

const NS_PER_S = 1_000_000_000n;

export const command: Command = defineCommand({
  summary: "Estimate the snapshot size and upload time",
  flags: {
    showFiles: flag("Show files"),
    quiet: flag("Do not display scanning progress", { short: "q" }),
    uploadSpeed: decimal("Upload speed to use for estimation", {
      default: 10,
      placeholder: "MBIT/S",
    }),
    maxExamplesPerBucket: integer("Max examples per bucket", { default: 10 }),
  },
  arguments: [{ name: "source", help: "Directory to analyze", required: true }],
  async run(context, values, args) {
    const path = resolve(args[0] ?? "");
    if (!(values.uploadSpeed > 0))
      throw usageError(`--upload-speed: ${values.uploadSpeed} is not possible, expected above 0`);
    await assertDirectory(path);
    await using repository = await context.openRepository();
    const { signal } = context;
    const policies = await policyTree(
      repository.manifests,
      { ...repository.identity, path },
      { signal },
    );
    const estimate = estimateTree(path, policies, {
      signal,
      maxExamples: Math.max(0, values.maxExamplesPerBucket),
      onDirectory: (at) => {
        if (!values.quiet) context.log.info(`Analyzing ${at}...`);
      },
      onError: (at, message, ignored) =>
        context.log.error(`${ignored ? "Ignored error" : "Error"} in ${at}: ${message}`),
    });
    print(context, estimate, values.showFiles);
    const seconds = BigInt(Math.floor((estimate.bytes * 8) / 1e6 / values.uploadSpeed));
    context.out.line();
    context.out.line(
      `Estimated upload time: ${formatDuration(seconds * NS_PER_S)} at ${values.uploadSpeed} Mbit/s`,
    );
    return 0;
  },
});

async function assertDirectory(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new SejfError("SEJF_SOURCE", `path '${path}' does not exist`);
  if (!found.isDirectory())
    throw new SejfError("SEJF_SOURCE", `invalid path: '${path}': must be a directory`);
}

function print({ out }: CommandContext, estimate: Estimate, showFiles: boolean): void {
  const { files, bytes, excludedFiles, excludedBytes, excludedDirectories, errors } = estimate;
  out.line(`Snapshot includes ${files} file(s), total size ${formatBytes(bytes)}`);
  for (const line of bucketLines(estimate.included, showFiles)) out.line(line);
  out.line();
  if (excludedFiles === 0) out.line("Snapshot excludes no files.");
  else {
    out.line(
      `Snapshot excludes ${excludedFiles} file(s), total size ${formatBytes(excludedBytes)}`,
    );
    for (const line of bucketLines(estimate.excluded, true)) out.line(line);
  }
  if (excludedDirectories === 0) out.line("Snapshot excludes no directories.");
  else {
    out.line(`Snapshot excludes ${excludedDirectories} directories. Examples:`);
    for (const path of estimate.excludedDirectoryExamples) out.line(` - ${path}`);
  }
  if (errors > 0) out.line(`Encountered ${errors} error(s).`);
}

function* bucketLines(
  buckets: readonly SizeBucket[],
  showFiles: boolean,
): Generator<string, void, void> {
  for (const [at, { minBytes, count, totalBytes, examples }] of buckets.entries()) {
    if (count === 0) continue;
    const from = formatBytes(minBytes).padEnd(6);
    const above = buckets[at - 1];
    const range =
      above === undefined ? `< ${from}` : `${from}...${formatBytes(above.minBytes).padStart(6)}`;
    yield `${range.padStart(18)}: ${String(count).padStart(7)} files, total size ${formatBytes(totalBytes)}`;
    if (!showFiles) continue;
    for (const { path, sizeBytes } of examples) yield ` - ${path} - ${formatBytes(sizeBytes)}`;
  }
}
