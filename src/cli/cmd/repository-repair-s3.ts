/** `repository repair s3`: a repository in a bucket. */
import { type Command, defineCommand } from "../command.ts";
import { REPAIR_FLAGS, REPAIR_HELP, repairFormat } from "../shared/repair-format.ts";
import { S3_FLAGS, s3Destination } from "../shared/s3-flags.ts";

export const command: Command = defineCommand({
  summary: "Recover the format blob of a repository in an S3 bucket",
  description: REPAIR_HELP,
  flags: { ...REPAIR_FLAGS, ...S3_FLAGS },
  async run(context, flags) {
    await repairFormat(context, await s3Destination(flags, "repairing"), flags);
    return 0;
  },
});
