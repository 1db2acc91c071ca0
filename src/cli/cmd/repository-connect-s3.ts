/** `repository connect s3`: connects to a repository in a bucket. */
import { type Command, defineCommand } from "../command.ts";
import {
  CONNECT_STORAGE_FLAGS,
  CONNECT_STORAGE_HELP,
  connectStorage,
} from "../shared/connect-storage.ts";
import { S3_FLAGS, s3Connection } from "../shared/s3-flags.ts";

export const command: Command = defineCommand({
  summary: "Connect to repository in an S3 bucket",
  description: CONNECT_STORAGE_HELP,
  flags: { ...S3_FLAGS, ...CONNECT_STORAGE_FLAGS },
  async run(context, flags) {
    await connectStorage(context, await s3Connection(flags), flags);
    return 0;
  },
});
