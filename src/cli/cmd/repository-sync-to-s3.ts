/** `repository sync-to s3`: a copy of the whole repository in a bucket. */
import { type Command, defineCommand } from "../command.ts";
import { S3_FLAGS, s3Destination } from "../shared/s3-flags.ts";
import { SYNC_FLAGS, syncTo } from "../shared/sync-to.ts";

export const command: Command = defineCommand({
  summary: "Synchronize repository data to another repository in an S3 bucket",
  flags: { ...SYNC_FLAGS, ...S3_FLAGS },
  async run(context, flags) {
    await syncTo(context, await s3Destination(flags, "copying"), flags);
    return 0;
  },
});
