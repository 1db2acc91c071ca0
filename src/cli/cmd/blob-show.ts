/** `blob show` (`cat`): the bytes of blobs, decrypted where that was asked for and is possible. */
import { type BlobId, toBlobId } from "../../blob/index.ts";
import { type BlobKind, blobKind } from "../../format/index.ts";
import { nodeCompressionEngine } from "../../node/index.ts";
import { readPlainBlob } from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { flag } from "../flags.ts";
import { showBytes } from "../shared/show-bytes.ts";

/** Kinds that are JSON once they are decrypted. */
const JSON_KINDS: ReadonlySet<BlobKind> = new Set([
  "compaction-log",
  "cleanup-schedule",
  "session",
]);

export const command: Command = defineCommand({
  summary: "Show contents of BLOBs",
  description:
    "With --decrypt indexes, sessions and logs are decrypted and checked against their names; packs and kopia.* blobs always come as they are stored.",
  flags: { decrypt: flag("Decrypt blob if possible") },
  arguments: [{ name: "blob-id", help: "Blob IDs", required: true, variadic: true }],
  async run(context, flags, args) {
    const ids: readonly BlobId[] = args.map(toBlobId);
    await using connection = await context.openConnection();
    const { signal } = context;
    for (const id of ids) {
      const { data, isPlain } = flags.decrypt
        ? await readPlainBlob(connection, id, nodeCompressionEngine, { signal })
        : { data: await connection.storage.get(id, { signal }), isPlain: false };
      const indent = isPlain && JSON_KINDS.has(blobKind(id));
      await showBytes(context, data, `blob ${id}`, { indent });
    }
    return 0;
  },
});
