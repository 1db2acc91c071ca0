/** `repository connect` to a storage, of whichever kind: as a client of its own, or as a sealed account. */
import type { ConnectionInfo } from "../../blob/index.ts";
import type { CommandContext } from "../context.ts";
import type { FlagValues } from "../flags.ts";
import { usageError } from "../usage-error.ts";
import { CONNECT_FLAGS, connect, openUnconnected } from "./connect-flags.ts";
import { SEALED_FLAGS, sealedWish } from "./sealed-flags.ts";

const flags = { ...CONNECT_FLAGS, ...SEALED_FLAGS };

type AllFlags = { readonly [K in keyof typeof flags]: (typeof flags)[K] };
/** Beside those of the storage. */
export const CONNECT_STORAGE_FLAGS: AllFlags = flags;

export const CONNECT_STORAGE_HELP =
  "With --sealed this client stores what only its account can read. The repository's password is asked for as ever; the account has one of its own (SEJF_ACCOUNT_PASSWORD for scripts).";

export async function connectStorage(
  context: CommandContext,
  info: ConnectionInfo,
  values: FlagValues<AllFlags>,
): Promise<void> {
  const wish = await sealedWish(values);
  await using storage = await openUnconnected(context, info);
  const password = await context.passwordToConnect();
  if (wish === undefined) {
    await connect(context, storage, password, values);
    return;
  }
  if (wish.place === "server")
    throw usageError("--account-key needs --sealed USER@HOST here: no server keeps the account");
  const { connectSealedInRepository } = await import("./sealed-connect.ts");
  await connectSealedInRepository(context, storage, password, wish, values);
}
