/** Another password, by who knows the present one or has the recovery kit; devices named anew and revoked. Spec: sealed 3. */
import { bytesToBase64Url, bytesToHex, formatTimestamp, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  type AccountKeys,
  chainOf,
  encodeKeyring,
  deriveAccountKeys,
  identityToSeed,
  type Keyring,
  type KeyringDevice,
  lockKeyring,
  openCertificate,
  type OpenedHead,
  payloadOf,
  RESET_LABEL,
  RESET_START_LABEL,
  type ServedDevice,
  type ServedRepository,
  signLine,
} from "../sealed/index.ts";
import { AccountClient, documentsOfServer } from "./account-client.ts";
import type { DocumentStore } from "./documents.ts";
import {
  type EnrollTools,
  type KitIdentities,
  MIN_PASSWORD_LENGTH,
  storeKeyring,
} from "./enroll.ts";
import { type HeadMemory, sourceOfChain } from "./head-memory.ts";
import type { Guard } from "./guarded-repository.ts";
import type { HttpsServer } from "./https-json.ts";
import { startRegistration } from "./opaque-client.ts";
import { logIn, type UnlockedAccount } from "./unlock.ts";

/** An account that was opened by its password. */
export interface ChangeOptions {
  readonly tools: EnrollTools;
  readonly account: string;
  readonly unlocked: UnlockedAccount;
  readonly documents: DocumentStore;
  /** What this device has seen: it goes into the keyring, for the others. */
  readonly heads: HeadMemory;
  /** On a sejf server: for what needs the present delete password. */
  readonly guard?: (() => Promise<Guard>) | undefined;
}

export interface NewPasswords {
  readonly password: string;
  /** Absent: it stays, or there is none. */
  readonly deletePassword?: string | undefined;
}

/** All sessions end; devices stay what they are. Gives the keyring. @throws SEJF_INVALID_ARGUMENT, SEJF_ACCESS_DENIED. */
export async function changePassword(
  { tools, account, unlocked, documents, heads, guard }: ChangeOptions,
  { password, deletePassword }: NewPasswords,
): Promise<Keyring> {
  assertNewPassword(password);
  const { keys, keyring, client } = unlocked;
  const next = { ...keyring, heads: headsOf(keyring, heads), version: keyring.version + 1 };
  const lock = { ...tools, account, accountKey: keys.accountKey, password };
  const text = await lockKeyring(lock, encodeKeyring(next), tools.random);
  if (client === undefined) {
    await documents.save("keyring", text);
    return next;
  }
  const who = { engine: tools.engine, account, accountKey: keys.accountKey };
  const login = await startRegistration(who, "login", password);
  const removal =
    deletePassword === undefined
      ? undefined
      : await startRegistration(who, "delete", deletePassword);
  const started = await client.startPassword({
    account,
    code: "",
    login: login.request,
    delete: removal?.request,
  });
  const record = removal?.finish(started.delete ?? "").record;
  const needsProof = record !== undefined && started.hasDelete === true;
  const stepUp = needsProof
    ? await (await guard?.())?.login.authorize("password.delete", [account], { delete: record })
    : undefined;
  await client.finishPassword(
    {
      login: login.finish(started.login).record,
      delete: record,
      keyring: { version: next.version, text },
    },
    { stepUp },
  );
  return next;
}

/**
 * A password for an account of which there is only the recovery kit, on its sejf server: what the lost keyring knew of
 * groups, heads and escrow is gone. @throws SEJF_ACCESS_DENIED for another account's kit.
 */
export async function resetOnServer(
  tools: EnrollTools,
  server: HttpsServer,
  account: string,
  { identity, former }: KitIdentities,
  { password, deletePassword }: NewPasswords,
): Promise<{ readonly unlocked: UnlockedAccount; readonly documents: DocumentStore }> {
  assertNewPassword(password);
  const seed = identityToSeed(identity);
  const keys = await deriveAccountKeys(tools.engine, seed);
  const who = { engine: tools.engine, account, accountKey: keys.accountKey };
  const login = await startRegistration(who, "login", password);
  const removal =
    deletePassword === undefined
      ? undefined
      : await startRegistration(who, "delete", deletePassword);
  const stranger = new AccountClient(server);
  const sign = (label: string, fields: object): string =>
    signLine(label, keys.signingSeed, payloadOf({ v: 1, account, ...fields, time: now(tools) }));
  const started = await stranger.startReset({
    account,
    signed: sign(RESET_START_LABEL, { login: login.request, delete: removal?.request }),
  });
  const { repository } = started;
  const registered = login.finish(started.login);
  if (registered.serverKey !== repository.opaqueKey)
    throw new SejfError("SEJF_CORRUPT", "the server names two different keys of its own");
  const version = (started.keyringVersion ?? 0) + 1;
  const keyring = newKeyring(keys, former, version, repository, server, []);
  const lock = { ...tools, account, accountKey: keys.accountKey, password };
  const text = await lockKeyring(lock, encodeKeyring(keyring), tools.random);
  await stranger.reset({
    account,
    signed: sign(RESET_LABEL, {
      login: registered.record,
      delete: removal?.finish(started.delete ?? "").record,
      keyringSha256: bytesToHex(tools.engine.sha256(utf8ToBytes(text))),
    }),
    keyring: { version, text },
  });
  const options = { ...who, opaqueKey: repository.opaqueKey };
  const client = await logIn(options, server, password);
  const devices = ownDevices(keys, await client.devices());
  const unlocked = { keys, seed, keyring, password, client };
  // oxlint-disable-next-line require-await -- the store takes a client that may have to be made
  const documents = documentsOfServer(async () => client);
  const stored = await storeKeyring(tools, unlocked, documents, account, { ...keyring, devices });
  return { unlocked: { ...unlocked, keyring: stored }, documents };
}

/**
 * As `resetOnServer`, where the keyring is in the repository itself. `heads`: those of its snapshots, which name the
 * devices; `knownVersion`: the newest keyring that is known of.
 */
export async function resetInRepository(
  tools: EnrollTools,
  documents: DocumentStore,
  account: string,
  { identity, former }: KitIdentities,
  known: {
    readonly repository: Omit<ServedRepository, "opaqueKey">;
    readonly heads: readonly OpenedHead[];
    readonly knownVersion: number;
  },
  password: string,
): Promise<UnlockedAccount> {
  assertNewPassword(password);
  const seed = identityToSeed(identity);
  const keys = await deriveAccountKeys(tools.engine, seed);
  const devices = new Map<string, KeyringDevice>();
  let version = known.knownVersion;
  for (const { head, certificate } of known.heads) {
    const { id, key } = certificate;
    const device = { id, name: id, key: bytesToBase64Url(key), added: head.start };
    version = Math.max(version, head.keyring);
    const before = devices.get(id);
    if (isCertified(keys, head.cert)) devices.set(id, device);
    else if (before === undefined || before.revoked !== undefined) {
      // Of the time before the account was given new keys: what it signed then counts, and nothing else.
      const last = Math.max(before?.revoked?.[head.source] ?? 0, head.seq);
      devices.set(id, { ...device, revoked: { ...before?.revoked, [head.source]: last } });
    }
  }
  // The lost one may have been changed since the last snapshot: devices refuse one that goes back.
  const repository = { ...known.repository, opaqueKey: "" };
  const keyring = newKeyring(keys, former, version + VERSIONS_SKIPPED, repository, undefined, [
    ...devices.values(),
  ]);
  const lock = { ...tools, account, accountKey: keys.accountKey, password };
  await documents.save("keyring", await lockKeyring(lock, encodeKeyring(keyring), tools.random));
  return { keys, seed, keyring, password, client: undefined };
}

/** @throws SEJF_NOT_FOUND. */
export async function renameDevice(
  options: ChangeOptions,
  id: string,
  name: string,
): Promise<Keyring> {
  const { unlocked } = options;
  deviceIn(unlocked.keyring, id);
  await unlocked.client?.renameDevice(id, name);
  return await changeDevices(options, (device) =>
    device.id === id ? { ...device, name } : device,
  );
}

/**
 * What it signed up to now stays valid, as far as this device has seen it. @throws SEJF_NOT_FOUND; SEJF_ACCESS_DENIED
 * from a server that wants the delete password for it.
 */
export async function revokeDevice(
  options: ChangeOptions,
  id: string,
  onServer: (client: AccountClient) => Promise<void>,
): Promise<Keyring> {
  const { unlocked, heads } = options;
  deviceIn(unlocked.keyring, id);
  const revoked: Record<string, number> = {};
  const known = headsOf(unlocked.keyring, heads);
  for (const [chain, { seq }] of Object.entries(known)) {
    const source = sourceOfChain(chain);
    if (chain === chainOf(source, id)) revoked[source] = seq;
  }
  if (unlocked.client !== undefined) await onServer(unlocked.client);
  return await changeDevices(options, (device) =>
    device.id === id ? { ...device, revoked } : device,
  );
}

/** The higher number of each chain. */
export function headsOf(keyring: Keyring, heads: HeadMemory): Keyring["heads"] {
  const merged = { ...keyring.heads };
  for (const [chain, head] of Object.entries(heads.toJson().heads))
    if (head.seq > (merged[chain]?.seq ?? 0)) merged[chain] = head;
  return merged;
}

const VERSIONS_SKIPPED = 1000;

function assertNewPassword(password: string): void {
  if (Array.from(password).length < MIN_PASSWORD_LENGTH)
    throw new SejfError(
      "SEJF_INVALID_ARGUMENT",
      `a password of a sealed account has ${MIN_PASSWORD_LENGTH} characters or more`,
    );
}

async function changeDevices(
  { tools, account, unlocked, documents, heads }: ChangeOptions,
  change: (device: KeyringDevice) => KeyringDevice,
): Promise<Keyring> {
  const { keyring } = unlocked;
  return await storeKeyring(tools, unlocked, documents, account, {
    ...keyring,
    heads: headsOf(keyring, heads),
    devices: keyring.devices.map((device) => change(device)),
  });
}

function deviceIn({ devices }: Keyring, id: string): KeyringDevice {
  const device = devices.find((one) => one.id === id);
  if (device !== undefined) return device;
  throw new SejfError("SEJF_NOT_FOUND", `the account has no device ${JSON.stringify(id)}`, {
    hint: "`sejf device list` shows them",
  });
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

function newKeyring(
  keys: AccountKeys,
  formerIdentities: readonly string[],
  version: number,
  { opaqueKey, ...repository }: ServedRepository,
  server: HttpsServer | undefined,
  devices: readonly KeyringDevice[],
): Keyring {
  return {
    version,
    identity: keys.identity,
    ...(formerIdentities.length === 0 ? {} : { formerIdentities }),
    repository,
    server: { url: server?.url ?? "", tlsSha256: server?.fingerprint ?? "", opaqueKey },
    escrow: [],
    groups: [],
    devices,
    heads: {},
  };
}

/** RFC 3339 with milliseconds: two requests within a second are two. */
function now({ clock }: EnrollTools): string {
  return formatTimestamp(BigInt(Math.floor(clock.nowMs())) * 1_000_000n);
}
