/** `device list`: the devices of a sealed account. */
import { parseTimestamp } from "../../bytes/index.ts";
import type { KeyringDevice, ServedDevice } from "../../sealed/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { withAccount } from "../shared/account-command.ts";

interface Shown {
  readonly id: string;
  readonly name: string;
  readonly added: string;
  readonly revoked: boolean;
  readonly lastSeen: string | null;
  readonly current: boolean;
}

export const command: Command = defineCommand({
  summary: "List the devices of this sealed account",
  description:
    "Asks for the password: the list is the account's own, in its keyring. What a server says beside it is when it saw them last.",
  flags: JSON_FLAGS,
  async run(context, flags) {
    await withAccount(context, async ({ unlocked }, { device }) => {
      const served = (await unlocked.client?.devices()) ?? [];
      const own = device.secrets.device.id;
      const shown = unlocked.keyring.devices.map((one) => describe(one, served, own));
      if (flags.json) context.out.line(jsonText(shown, flags));
      else for (const one of shown) context.out.line(line(context, one));
      warnOfStrangers(context, unlocked.keyring.devices, served);
    });
    return 0;
  },
});

function describe(
  { id, name, added, revoked }: KeyringDevice,
  served: readonly ServedDevice[],
  own: string,
): Shown {
  const lastSeen = served.find((one) => one.id === id)?.lastSeen ?? null;
  return { id, name, added, revoked: revoked !== undefined, lastSeen, current: id === own };
}

function line(
  context: CommandContext,
  { id, name, added, revoked, lastSeen, current }: Shown,
): string {
  const time = (text: string): string => context.time(parseTimestamp(text));
  const notes = [
    ...(current ? ["this device"] : []),
    ...(revoked ? ["revoked"] : []),
    ...(lastSeen === null ? [] : [`last seen ${time(lastSeen)}`]),
  ];
  return `${id}  ${name}  added ${time(added)}${notes.length === 0 ? "" : `  (${notes.join(", ")})`}`;
}

/** SECURITY: a device that the account never made cannot sign for it; that the server lists one is told all the same. */
function warnOfStrangers(
  context: CommandContext,
  devices: readonly KeyringDevice[],
  served: readonly ServedDevice[],
): void {
  for (const { id } of served)
    if (!devices.some((one) => one.id === id))
      context.log.warn(`The server lists device ${id}, which is none of this account's keyring.`);
}
