/** Recipients beside the account's own: who they are is confirmed by their fingerprints. */
import { nodeCryptoEngine } from "../../node/index.ts";
import { isRecipient, recipientFingerprint } from "../../sealed/index.ts";
import type { CommandContext } from "../context.ts";
import { usageError } from "../usage-error.ts";
import { askLine } from "./ask-line.ts";

/** @throws SEJF_INVALID_ARGUMENT for what is no recipient, and when nobody says that they are right. */
export async function confirmEscrow(
  context: CommandContext,
  escrow: readonly string[],
  isConfirmed: boolean,
): Promise<void> {
  for (const recipient of escrow) {
    if (!isRecipient(recipient))
      throw usageError(
        "--escrow: this is no post-quantum age recipient",
        "it begins with age1pq1; `age-keygen -pq` makes one",
      );
    const fingerprint = recipientFingerprint(nodeCryptoEngine, recipient);
    const what = `Whoever has the key of the escrow recipient ${fingerprint} can read every snapshot of this account.`;
    if (isConfirmed) context.log.warn(what);
    else await ask(context, what);
  }
}

async function ask(context: CommandContext, what: string): Promise<void> {
  if (process.stdin.isTTY !== true)
    throw usageError(
      `${what} Nobody is there to compare the fingerprint`,
      "run the command on a terminal, or pass --yes after comparing it",
    );
  const answer = await askLine(
    context,
    `${what}\nCompare the fingerprint with the one you were told. Is it right? (yes/no) `,
  );
  if (answer?.trim().toLowerCase() !== "yes")
    throw usageError("the escrow recipient was not confirmed");
}
