/** Who can read what the accounts of a repository store, for people: what the server says at its start, and `repository status`. */
import type { Clock, Random } from "../../bytes/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import { openAccounts } from "../accounts/index.ts";
import { createSharedFlush } from "../sessions/shared-flush.ts";
import type { AccountName, ServerLog } from "../types.ts";
import type { DeviceRecord, SealedAccountRecords } from "./record-types.ts";
import { SealedRecords } from "./sealed-records.ts";

/** How an account is sealed. */
export interface SealedAccountStatus {
  /** RFC 3339; `undefined`: nobody has used its enrollment code yet. */
  readonly enrolled: string | undefined;
  readonly devices: number;
  /** Devices that can read unattended. */
  readonly readers: number;
  /** Fingerprints of recipients beside the account's own, as its client said at enrollment. */
  readonly escrow: readonly string[];
  readonly hasDeletePassword: boolean;
}

/** Of what sealed accounts do; the server cannot help seeing it. */
export const SEEN_OF_SEALED =
  "when they back up and how much, lengths and order of the pieces, and which accounts share pieces; no names, no paths, no data";

const QUIET: ServerLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

export function statusOf(account: SealedAccountRecords | undefined): SealedAccountStatus {
  const devices = [...(account?.devices.values() ?? [])].filter(
    ({ revoked }) => revoked === undefined,
  );
  return {
    enrolled: account?.login?.enrolled,
    devices: devices.length,
    readers: devices.filter(({ scope }) => scope === "reader").length,
    escrow: account?.login?.escrow ?? [],
    hasDeletePassword: account?.login?.delete !== undefined,
  };
}

/** Who reads it, without a full stop. */
export function describeSealed({
  enrolled,
  devices,
  readers,
  escrow,
}: SealedAccountStatus): string {
  if (enrolled === undefined) return "sealed: nobody has used its enrollment code yet";
  const others =
    escrow.length === 0
      ? "its user alone"
      : `its user, and by the word of its client whoever has the keys of ${escrow.join(", ")}`;
  const unattended = readers === 0 ? "" : `, ${readers} of them without the password`;
  return `sealed: ${others}; ${devices} ${devices === 1 ? "device" : "devices"}${unattended}`;
}

/** What the server knows of a sealed account, for whoever runs it. */
export interface SealedAccountInfo {
  /** RFC 3339; `undefined`: nobody has used its enrollment code yet. */
  readonly enrolled: string | undefined;
  readonly escrow: readonly string[];
  readonly hasDeletePassword: boolean;
  readonly devices: readonly Pick<
    DeviceRecord,
    "device" | "name" | "scope" | "added" | "revoked"
  >[];
}

export async function sealedAccountInfo(
  repository: DirectRepository,
  name: AccountName,
  clock: Clock,
): Promise<SealedAccountInfo> {
  const account = await recordsOf(repository, clock).account(name);
  const { enrolled, escrow, hasDeletePassword } = statusOf(account);
  const devices = [...(account?.devices.values() ?? [])].map(
    ({ device, name: named, scope, added, revoked }) => ({
      device,
      name: named,
      scope,
      added,
      revoked,
    }),
  );
  return { enrolled, escrow, hasDeletePassword, devices };
}

function recordsOf(repository: DirectRepository, clock: Clock): SealedRecords {
  const { manifests } = repository;
  return new SealedRecords({ manifests, flush: createSharedFlush(repository), clock, log: QUIET });
}

/** One line an account, by name; none when the repository has no accounts. */
export async function describeAccounts(
  repository: DirectRepository,
  clock: Clock,
  random: Random,
): Promise<readonly string[]> {
  const { manifests } = repository;
  const records = recordsOf(repository, clock);
  const lines: string[] = [];
  for (const { name, encryption, appendOnly } of await openAccounts({
    manifests,
    clock,
    random,
  }).list()) {
    const reads =
      encryption === "client"
        ? describeSealed(statusOf(await records.account(name)))
        : "managed: whoever runs the server, and the account itself";
    lines.push(`${name} is ${reads}${appendOnly ? "; it deletes nothing" : ""}`);
  }
  return lines;
}
