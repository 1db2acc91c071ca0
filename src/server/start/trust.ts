/** Who can read and who can delete what the accounts store, in the words that the server says at its start. */
import { errorFromUnknown } from "../../errors/index.ts";
import type { DirectRepository } from "../../repository/index.ts";
import type { StoredAccount } from "../accounts/index.ts";
import type { HoldingMode } from "../holding/index.ts";
import { describeSealed, type SealedAccountStatus, SEEN_OF_SEALED } from "../sealed/index.ts";
import type { ServerLog } from "../types.ts";
import type { ServedCore } from "./served-core.ts";

export interface SealedFacts extends SealedAccountStatus {
  readonly name: string;
}

export interface TrustFacts {
  readonly repository: Pick<DirectRepository, "storage" | "access">;
  readonly accounts: readonly StoredAccount[];
  /** Entries of the access list decide instead of the built-in rules. */
  readonly hasAcl: boolean;
  readonly mode: HoldingMode;
  readonly sealed: readonly SealedFacts[];
  /** Who uses the web interface; `undefined`: nobody. */
  readonly webUsers: string | undefined;
  /** How long what accounts delete can be brought back; 0: of managed ones it cannot. */
  readonly trashWindowMs: number;
}

const MAX_NAMES = 10;
const PAD: string = " ".repeat(16);
const MS_PER_DAY = 86_400_000;
const DAY_NS = 86_400_000_000_000n;

/** Paragraphs, one line each. */
export function trustLines(facts: TrustFacts): readonly string[] {
  const { repository, accounts, hasAcl, mode, sealed, trashWindowMs } = facts;
  const web = facts.webUsers === undefined ? "" : `, ${facts.webUsers}`;
  const { storage, access } = repository;
  const place = storage.displayName;
  const own = hasAcl
    ? "each account what the access list grants it (sejf server acl list)"
    : "each account what it stored itself";
  const others =
    mode === "any"
      ? ", and any content whose ID it knows, whoever stored it (--content-access=any)"
      : "";
  const ordinary = accounts.filter(
    ({ appendOnly, encryption }) => !appendOnly && encryption === "server",
  );
  const appendOnly = accounts.filter((account) => account.appendOnly);
  const lock = access.retention;
  const later =
    lock === undefined
      ? ""
      : `, once the ${Number(lock.periodNs / DAY_NS)} days of object lock (${lock.mode}) are over`;
  const may = hasAcl
    ? "accounts as the access list says"
    : `accounts their own snapshots (${names(ordinary)})`;
  const ofManaged = sealed.length === 0 ? "" : "managed accounts: ";
  return [
    `Who can read:   ${ofManaged}this server and whoever runs it${web}, everybody with the repository password and ${place}; ${own}${others}.`,
    ...sealedLines(sealed),
    `Who can delete: whoever runs this server${web} or can write to ${place}${later}; ${may}${ofSealed(facts)}; append-only accounts nothing, their retention is the server's (${names(appendOnly)}).`,
    `The trash:      what accounts delete through this server can be brought back for ${trashText(trashWindowMs)}.`,
  ];
}

function ofSealed({ sealed, accounts }: TrustFacts): string {
  const appendOnly = new Set(
    accounts.filter((account) => account.appendOnly).map(({ name }) => name as string),
  );
  const may = sealed.filter((one) => one.hasDeletePassword && !appendOnly.has(one.name));
  return sealed.length === 0
    ? ""
    : `; sealed accounts their own with their delete password (${names(may)}), others of them nothing`;
}

function trashText(windowMs: number): string {
  if (windowMs === 0) return "30 days by sealed ones, not by managed ones";
  const days = windowMs / MS_PER_DAY;
  return days >= 1
    ? `${Math.round(days * 10) / 10} days`
    : `${Math.round(days * 24 * 10) / 10} hours`;
}

/** What they say of themselves; the server could not tell. */
function sealedLines(sealed: readonly SealedFacts[]): readonly string[] {
  if (sealed.length === 0) return [];
  const lines = sealed
    .slice(0, MAX_NAMES)
    .map((one) => `${PAD}${one.name} is ${describeSealed(one)}.`);
  const more = sealed.length - lines.length;
  return [
    ...lines,
    ...(more > 0 ? [`${PAD}… and ${more} more sealed accounts.`] : []),
    `What this server sees of sealed accounts: ${SEEN_OF_SEALED}.`,
  ];
}

function names(accounts: readonly { readonly name: string }[]): string {
  if (accounts.length === 0) return "there are none";
  const shown = accounts.slice(0, MAX_NAMES).map(({ name }) => name);
  const more = accounts.length - shown.length;
  return more > 0 ? `${shown.join(", ")} and ${more} more` : shown.join(", ");
}

export async function trustOf({
  repository,
  accounts,
  holdings,
  sealed,
  trash,
  webUsers,
}: Pick<
  ServedCore,
  "repository" | "accounts" | "holdings" | "sealed" | "trash" | "webUsers"
>): Promise<readonly string[]> {
  const acl = await repository.manifests.find({ type: "acl" });
  const list = await accounts.list();
  return trustLines({
    repository,
    accounts: list,
    hasAcl: acl.length > 0,
    mode: holdings.mode,
    trashWindowMs: trash.windowMs,
    webUsers,
    sealed: await Promise.all(
      list
        .filter(({ encryption }) => encryption === "client")
        .map(async ({ name }) => ({ name, ...(await sealed.statusOf(name)) })),
    ),
  });
}

/** To the log. Never fails. */
export async function tellTrust(core: ServedCore, log: ServerLog): Promise<void> {
  try {
    for (const line of await trustOf(core)) log.info({}, line);
  } catch (error) {
    log.warn({}, errorFromUnknown(error, "reading the accounts").message);
  }
}
