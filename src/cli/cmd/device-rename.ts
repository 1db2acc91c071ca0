/** `device rename`: how people call a device of a sealed account. */
import { renameDevice } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { withAccount } from "../shared/account-command.ts";

export const command: Command = defineCommand({
  summary: "Rename a device of this sealed account",
  flags: {},
  arguments: [
    { name: "id", help: "Device ID, see device list", required: true },
    { name: "name", help: "Its new name", required: true },
  ],
  async run(context, _flags, [id = "", name = ""]) {
    await withAccount(context, async (change) => await renameDevice(change, id, name));
    context.log.info(`Device ${id} is called ${JSON.stringify(name)} now.`);
    return 0;
  },
});
