/**
 * The mark of a sealed account in a connection file. SECURITY: what seals stands before the repository; whoever opened
 * it without would store plaintext, or send the account's password where Kopia's protocol has one. So only the layer
 * that seals opens such a connection, and a lost device file is no way round it.
 */
import { SejfError } from "../errors/index.ts";
import type { ConnectionConfig } from "./config-json.ts";

const FIELD = "sejfSealed";

/** Fields for the connection file of this account, `user@host`. */
export function sealedMark(account: string): Readonly<Record<string, unknown>> {
  return { [FIELD]: { account } };
}

/** `user@host`; `undefined` for a connection that is none of a sealed account. */
export function sealedAccountOf({ client, unknown }: ConnectionConfig): string | undefined {
  const mark = unknown[FIELD];
  if (mark === undefined) return undefined;
  return typeof mark === "object" && mark !== null && "account" in mark
    ? String(mark.account)
    : `${client.username}@${client.hostname}`;
}

/** @throws SEJF_UNSUPPORTED for the connection of a sealed account. */
export function assertNotSealed(config: ConnectionConfig, configFile: string): void {
  const account = sealedAccountOf(config);
  if (account === undefined) return;
  throw new SejfError(
    "SEJF_UNSUPPORTED",
    `${configFile} is the connection of the sealed account ${account}, and this works on the repository below it`,
    { hint: "whoever runs the repository does that, with a connection of his own (--config-file)" },
  );
}
