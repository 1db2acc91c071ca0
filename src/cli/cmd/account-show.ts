/** `account show`: a sealed account as this device knows it. */
import { nodeCryptoEngine } from "../../node/index.ts";
import { recipientFingerprint } from "../../sealed/index.ts";
import { type Command, defineCommand } from "../command.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";

export const command: Command = defineCommand({
  summary: "Show this sealed account: who can read what it stores, and what this device keeps",
  description: "Asks for no password and shows no secret.",
  flags: JSON_FLAGS,
  async run(context, flags) {
    const { device } = await context.sealedConnection();
    const { secrets, place, identity } = device;
    const fingerprint = (recipient: string): string =>
      recipientFingerprint(nodeCryptoEngine, recipient);
    const shown = {
      account: secrets.account,
      keptBy: place,
      recipient: fingerprint(secrets.recipient),
      escrow: secrets.escrow.map((recipient) => fingerprint(recipient)),
      device: { id: secrets.device.id, name: secrets.device.name },
      keyOnDevice: identity !== undefined,
      keyringVersion: secrets.keyringVersion,
      group: secrets.group?.id ?? null,
    };
    const { out } = context;
    if (flags.json) {
      out.line(jsonText(shown, flags));
      return 0;
    }
    out.line(`Account:             ${shown.account}`);
    out.line(
      `Kept by:             ${place === "server" ? "a sejf server" : "the repository itself"}`,
    );
    out.line(`Recipient:           ${shown.recipient}`);
    out.line(`Escrow recipients:   ${shown.escrow.length === 0 ? "none" : shown.escrow.join(" ")}`);
    out.line(`This device:         ${shown.device.id} (${shown.device.name})`);
    out.line(
      `Key on this device:  ${shown.keyOnDevice ? "yes: it reads without a password" : "no: reading asks for the password"}`,
    );
    if (secrets.group !== undefined) out.line(`Group:               ${secrets.group.id}`);
    return 0;
  },
});
