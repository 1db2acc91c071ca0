/**
 * A password for an account of which there is only the recovery kit. What the lost keyring knew of groups, devices, heads
 * and escrow recipients comes back from its copy, which the kit opens. Spec: sealed 3.
 */
import { bytesToBase64Url, bytesToHex, formatTimestamp, utf8ToBytes } from "../bytes/index.ts";
import { isSejfError, SejfError } from "../errors/index.ts";
import {
  type AccountKeys,
  deriveAccountKeys,
  identityToSeed,
  type Keyring,
  type KeyringCopy,
  keyringCopyIn,
  type KeyringDevice,
  openCertificate,
  type OpenedHead,
  openKeyringCopy,
  payloadOf,
  RESET_LABEL,
  RESET_START_LABEL,
  type ServedDevice,
  type ServedRepository,
  signLine,
} from "../sealed/index.ts";
import type { NewPasswords } from "./account-change.ts";
import { AccountClient } from "./account-client.ts";
import type { DocumentStore } from "./documents.ts";
import { assertPasswords, type EnrollTools, type KitIdentities } from "./enroll.ts";
import type { HttpsServer } from "./https-json.ts";
import { changeKeyring, keyringText } from "./keyring-store.ts";
import { startRegistrations } from "./opaque-client.ts";
import { logIn, type UnlockedAccount } from "./unlock.ts";

/** An account that has a password again. */
export interface ResetAccount {
  readonly unlocked: UnlockedAccount;
  /** Why the lost keyring's groups, heads and escrow recipients are not known any more; `undefined`: they are. */
  readonly lost: string | undefined;
}

/** A server or folder that was restored shows an older version than devices know: no device refuses this one. */
const VERSIONS_SKIPPED = 1000;

/** On the account's sejf server. @throws SEJF_ACCESS_DENIED for another account's kit; SEJF_CORRUPT for another repository. */
export async function resetOnServer(
  tools: EnrollTools,
  server: HttpsServer,
  account: string,
  kit: KitIdentities,
  passwords: NewPasswords,
): Promise<ResetAccount> {
  const { password } = passwords;
  assertPasswords(passwords);
  const seed = identityToSeed(kit.identity);
  const keys = await deriveAccountKeys(tools.engine, seed);
  const who = { engine: tools.engine, account, accountKey: keys.accountKey };
  const registrations = await startRegistrations(who, passwords);
  const stranger = new AccountClient(server);
  const sign = (label: string, fields: object): string =>
    signLine(label, keys.signingSeed, payloadOf({ v: 1, account, ...fields, time: now(tools) }));
  const signed = sign(RESET_START_LABEL, registrations.requests);
  const started = await ofThisKit(account, stranger.startReset({ account, signed }));
  const records = registrations.finish(started);
  const { repository, keyringVersion = 0 } = started;
  const { copy, lost } = await readCopy(keys, account, started.keyringCopy);
  if (copy !== undefined) assertSameRepository(copy, repository);
  const version = keyringVersion + 1;
  const keyring = newKeyring(keys, kit, copy, { version, repository, server, devices: [] });
  const text = await keyringText(tools, account, { keys, password }, keyring);
  await stranger.reset({
    account,
    signed: sign(RESET_LABEL, {
      ...records,
      keyringSha256: bytesToHex(tools.engine.sha256(utf8ToBytes(text))),
    }),
    keyring: { version, text },
  });
  const options = { ...who, opaqueKey: repository.opaqueKey };
  const client = await logIn(options, server, password);
  const served = ownDevices(keys, await client.devices());
  const unlocked = await changeKeyring(
    { tools, account },
    { keys, seed, keyring, password, client },
    (before) => ({ ...before, devices: withDevices(before.devices, served) }),
  );
  return { unlocked, lost };
}

/**
 * As `resetOnServer`, where the keyring is in the repository itself. `heads`: those of its snapshots, which name the
 * devices; `knownVersion`: the newest keyring that is known of.
 */
export async function resetInRepository(
  tools: EnrollTools,
  documents: DocumentStore,
  account: string,
  kit: KitIdentities,
  known: {
    readonly repository: Omit<ServedRepository, "opaqueKey">;
    readonly heads: readonly OpenedHead[];
    readonly knownVersion: number;
  },
  password: string,
): Promise<ResetAccount> {
  assertPasswords({ password });
  const seed = identityToSeed(kit.identity);
  const keys = await deriveAccountKeys(tools.engine, seed);
  const file = await documents.load("keyring");
  const { copy, lost } = await readCopy(keys, account, file && keyringCopyIn(file));
  const newest = Math.max(known.knownVersion, ...known.heads.map(({ head }) => head.keyring));
  const keyring = newKeyring(keys, kit, copy, {
    // The lost one may have been changed since the last snapshot: devices refuse one that goes back.
    version: Math.max(newest, copy?.version ?? 0) + VERSIONS_SKIPPED,
    repository: copy?.repository ?? known.repository,
    server: undefined,
    devices: devicesOf(keys, known.heads),
  });
  await documents.save("keyring", await keyringText(tools, account, { keys, password }, keyring));
  return { unlocked: { keys, seed, keyring, password, client: undefined }, lost };
}

/** The server tells nobody which of the reasons it is. */
async function ofThisKit<T>(account: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!isSejfError(error, "SEJF_ACCESS_DENIED") || error.hint !== undefined) throw error;
    throw new SejfError("SEJF_ACCESS_DENIED", `access denied: this kit resets no ${account} here`, {
      cause: error,
      hint: "it is another account's, or older than its last `account rekey`, or the account is not on this server any more",
    });
  }
}

async function readCopy(
  keys: AccountKeys,
  account: string,
  text: string | undefined,
): Promise<{ readonly copy: KeyringCopy | undefined; readonly lost: string | undefined }> {
  if (text === undefined) return { copy: undefined, lost: "no copy of the lost keyring is stored" };
  try {
    return { copy: await openKeyringCopy(keys, account, text), lost: undefined };
  } catch (error) {
    if (!isSejfError(error)) throw error;
    return { copy: undefined, lost: error.message };
  }
}

/** SECURITY: a server in the place of the right one has no keyring that names its own repository. */
function assertSameRepository(
  { repository: pinned }: KeyringCopy,
  { id, hash, secretSha256 }: ServedRepository,
): void {
  if (pinned.id === id && pinned.hash === hash && pinned.secretSha256 === secretSha256) return;
  throw new SejfError(
    "SEJF_CORRUPT",
    "this server has another repository than the account was made for",
    { hint: "ask who runs it; what was stored can be read with --path or --folder" },
  );
}

interface NewKeyring {
  readonly version: number;
  readonly repository: Omit<ServedRepository, "opaqueKey"> & { readonly opaqueKey?: string };
  readonly server: HttpsServer | undefined;
  /** Beside those of the copy. */
  readonly devices: readonly KeyringDevice[];
}

function newKeyring(
  keys: AccountKeys,
  { former }: KitIdentities,
  copy: KeyringCopy | undefined,
  { version, repository, server, devices }: NewKeyring,
): Keyring {
  const { id, hash, secretSha256, opaqueKey = "" } = repository;
  const { escrow = [], groups = [], heads = {} } = copy ?? {};
  const formerIdentities = [...new Set([...(copy?.formerIdentities ?? []), ...former])];
  return {
    version,
    identity: keys.identity,
    ...(formerIdentities.length === 0 ? {} : { formerIdentities }),
    repository: { id, hash, secretSha256 },
    server: { url: server?.url ?? "", tlsSha256: server?.fingerprint ?? "", opaqueKey },
    escrow,
    groups,
    devices: withDevices(copy?.devices ?? [], devices),
    heads,
  };
}

/** The first ones as they are, and whoever is new. */
function withDevices(
  known: readonly KeyringDevice[],
  more: readonly KeyringDevice[],
): readonly KeyringDevice[] {
  return [...known, ...more.filter(({ id }) => !known.some((one) => one.id === id))];
}

/** Those that signed something. */
function devicesOf(keys: AccountKeys, heads: readonly OpenedHead[]): readonly KeyringDevice[] {
  const devices = new Map<string, KeyringDevice>();
  for (const { head, certificate } of heads) {
    const { id, key } = certificate;
    const device = { id, name: id, key: bytesToBase64Url(key), added: head.start };
    const before = devices.get(id);
    if (isCertified(keys, head.cert)) devices.set(id, device);
    else if (before === undefined || before.revoked !== undefined) {
      // Of the time before the account was given new keys: what it signed then counts, and nothing else.
      const last = Math.max(before?.revoked?.[head.source] ?? 0, head.seq);
      devices.set(id, { ...device, revoked: { ...before?.revoked, [head.source]: last } });
    }
  }
  return [...devices.values()];
}

function isCertified({ signingPublicKey }: AccountKeys, certificate: string): boolean {
  try {
    openCertificate(signingPublicKey, certificate);
    return true;
  } catch {
    return false;
  }
}

/** Those that the account itself certified; a server may say what it likes. */
function ownDevices(
  { signingPublicKey }: AccountKeys,
  served: readonly ServedDevice[],
): readonly KeyringDevice[] {
  return served.map(({ certificate, name, added }) => {
    const { id, key } = openCertificate(signingPublicKey, certificate);
    return { id, name, key: bytesToBase64Url(key), added };
  });
}

/** RFC 3339 with milliseconds: two requests within a second are two. */
function now({ clock }: EnrollTools): string {
  return formatTimestamp(BigInt(Math.floor(clock.nowMs())) * 1_000_000n);
}
