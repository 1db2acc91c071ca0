/** `group create`: a dedup group, of which this account is the admin. */
import { DEFAULT_GROUP_COMPRESSION, DEFAULT_MIN_SIZE, groupNameOf } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { choice, text } from "../flags.ts";
import { parseByteCount } from "../shared/byte-count.ts";
import { withGroups } from "../shared/group-command.ts";

export const command: Command = defineCommand({
  summary: "Create a group of accounts whose equal data are stored once",
  description:
    "Members can find out whether somebody of the group has a file that they have themselves; with --probe=own nobody can, and everybody uploads everything. The settings stay as they are: only what is cut and compressed alike is alike.",
  flags: {
    splitter: text("How files are cut", { placeholder: "SPLITTER" }),
    compression: text("Compressor of what is shared, or none", {
      placeholder: "COMPRESSOR",
      default: DEFAULT_GROUP_COMPRESSION,
    }),
    minSize: text("Chunks that are smaller are never shared", {
      placeholder: "BYTES",
      default: String(DEFAULT_MIN_SIZE),
    }),
    probe: choice("Who can find out whether the group has a chunk", ["group", "own"], {
      default: "group",
    }),
  },
  arguments: [
    { name: "name", help: "As this account calls it; nobody else sees it", required: true },
  ],
  async run(context, { splitter, compression, minSize, probe }, [name = ""]) {
    const wishes = {
      ...(splitter === undefined ? {} : { splitter }),
      compression,
      minSize: parseByteCount("--min-size", minSize),
      probe,
    };
    await withGroups(context, async (groups) => {
      const { pin } = await groups.create(name, wishes);
      context.log.info(
        `Created the group ${groupNameOf(pin)} (${pin.id}). \`sejf group invite ${groupNameOf(pin)}\` makes a code for one more member.`,
      );
      if (pin.used !== true)
        context.log.info(
          `Another group is used; \`sejf group use ${groupNameOf(pin)}\` changes that.`,
        );
    });
    return 0;
  },
});
