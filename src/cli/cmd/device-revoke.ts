/** `device revoke`: what a device of a sealed account signs from now on does not count. */
import { revokeDevice } from "../../sealing/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { withAccount } from "../shared/account-command.ts";

export const command: Command = defineCommand({
  summary: "Revoke a device of this sealed account",
  description:
    "Its token stops to count on the server, and what it signs after the snapshots that are there now is refused by the other devices. It keeps what was on it: the account key, and what its last snapshots held. If it was stolen, change the password and use account rekey too. On a sejf server it asks for the delete password.",
  flags: {},
  arguments: [{ name: "id", help: "Device ID, see device list", required: true }],
  async run(context, _flags, [id = ""]) {
    await withAccount(context, async (change, open) => {
      // Heads that nobody has seen yet would be refused later.
      change.heads.learn((await open.repository.audit()).opened);
      await revokeDevice(change, id, async (client) => {
        const { login } = await open.guard();
        await client.revokeDevice(id, { stepUp: await login.authorize("device.revoke", [id]) });
      });
    });
    context.log.info(`Device ${id} was revoked.`);
    return 0;
  },
});
