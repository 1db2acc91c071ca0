/**
 * How much an account may hold: the bytes of all contents that it sent or that its snapshots reach, each once, as they were
 * before the repository compressed and shared them. What is deleted counts as long as it takes room: in the trash, and until
 * maintenance has removed it; or a client that deletes and sends by turns would fill the storage. What others stored too counts in full: a quota that shrank by sharing
 * would tell who has what. Spec: sealed 7.
 */
import type { CallOptions } from "../../bytes/index.ts";
import { SejfError } from "../../errors/index.ts";
import type { Account } from "../types.ts";
import type { Holdings } from "./types.ts";

/** Its words are for the client, unlike those of a full disk. */
export class QuotaError extends SejfError {}

/** @throws QuotaError with SEJF_NO_SPACE when so many more bytes are too many. */
export async function assertRoom(
  holdings: Holdings,
  account: Account,
  moreBytes: number,
  options: CallOptions,
): Promise<void> {
  const { name, quotaBytes } = account;
  if (quotaBytes === undefined) return;
  const usedBytes = await holdings.usedBytes(account, options);
  if (usedBytes + moreBytes <= quotaBytes) return;
  throw new QuotaError(
    "SEJF_NO_SPACE",
    // A client of Kopia's protocol gets the message alone.
    `the quota of ${name} is used up: ${usedBytes + moreBytes} bytes would be held, ${quotaBytes} are allowed; what was deleted counts until it is removed from the server's trash`,
    { hint: "ask the server's operator for a higher quota" },
  );
}
