/** `repository validate-provider`: tries out whether the storage keeps what a repository relies on. */
import { validateStorageProvider } from "../../blob/index.ts";
import { storageOf } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { duration, integer } from "../flags.ts";
import { openUnconnected } from "../shared/connect-flags.ts";

export const command: Command = defineCommand({
  summary: "Validate that a repository provider is compatible with Kopia",
  description:
    "Writes, reads and deletes blobs under a prefix of its own; the repository's blobs are not touched.",
  flags: {
    numStorageConnections: integer("Number of storage connections"),
    concurrencyTestDuration: duration("Duration of concurrency test"),
    putBlobWorkers: integer("Number of PutBlob workers"),
    getBlobWorkers: integer("Number of GetBlob workers"),
    getMetadataWorkers: integer("Number of GetMetadata workers"),
  },
  async run(context, flags) {
    await using connection = await context.openConnection();
    const info = storageOf(connection.config, connection.configFile);
    await validateStorageProvider(connection.storage, {
      openAnother: () => openUnconnected(context, info),
      connections: flags.numStorageConnections,
      durationMs:
        flags.concurrencyTestDuration === undefined
          ? undefined
          : Number(flags.concurrencyTestDuration / 1_000_000n),
      putWorkers: flags.putBlobWorkers,
      getWorkers: flags.getBlobWorkers,
      metadataWorkers: flags.getMetadataWorkers,
      clock: context.clock,
      random: context.random,
      signal: context.signal,
      onStep: (step) => context.log.info(`Checking ${step}...`),
    });
    context.log.info("All good.");
    return 0;
  },
});
