/** Making a sealed account, and adding devices to it. Spec: sealed 3. */
import {
  bytesToBase64Url,
  bytesToHex,
  type Clock,
  formatTimestamp,
  type OwnedBytes,
  type Random,
} from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  type AccountKeys,
  type Argon2id,
  certifyDevice,
  deriveAccountKeys,
  identityToSeed,
  isRecipient,
  type Keyring,
  type KeyringDevice,
  recipientFingerprint,
  type ServedRepository,
  signingPublicKey,
} from "../sealed/index.ts";
import type { DeviceSecrets } from "./account.ts";
import { AccountClient } from "./account-client.ts";
import { type DeviceState, lastSnapshots } from "./device-file.ts";
import type { DocumentStore } from "./documents.ts";
import { formerKeysOf } from "./former-keys.ts";
import { HeadMemory } from "./head-memory.ts";
import { hidden } from "./hidden.ts";
import type { HttpsServer } from "./https-json.ts";
import { changeKeyring, type KeyringPlace, keyringText } from "./keyring-store.ts";
import { type Passwords, startRegistrations } from "./opaque-client.ts";
import type { UnlockedAccount } from "./unlock.ts";

export interface EnrollTools {
  readonly engine: CryptoEngine;
  readonly argon2id: Argon2id;
  readonly random: Random;
  readonly clock: Clock;
}

export interface NewDeviceOptions {
  /** As people call it. */
  readonly name: string;
  /** The account's key stays on the device: it reads unattended. */
  readonly rememberKey: boolean;
}

export interface EnrollOptions extends NewDeviceOptions {
  /** `user@host`. */
  readonly account: string;
  readonly password: string;
  /** For destructive operations; absent: the server refuses them. */
  readonly deletePassword?: string | undefined;
  /** Recipients beside the account's own. */
  readonly escrow: readonly string[];
}

/** What comes of it: what the device keeps, and what the recovery kit is made of. */
export interface Enrolled {
  readonly device: DeviceState;
  readonly keys: AccountKeys;
}

interface MadeDevice {
  readonly id: string;
  readonly seed: OwnedBytes;
  readonly certificate: string;
  readonly listed: KeyringDevice;
}

const MIN_PASSWORD_LENGTH = 8;

/** With a single-use code, on a sejf server. @throws SEJF_ACCESS_DENIED for a code that does not count; SEJF_INVALID_ARGUMENT. */
export async function enrollOnServer(
  tools: EnrollTools,
  server: HttpsServer,
  code: string,
  options: EnrollOptions,
): Promise<Enrolled> {
  assertUsable(options);
  const { account, password, deletePassword } = options;
  const client = new AccountClient(server);
  const seed = tools.random.bytes(32);
  const keys = await deriveAccountKeys(tools.engine, seed);
  const who = { engine: tools.engine, account, accountKey: keys.accountKey };
  const registrations = await startRegistrations(who, { password, deletePassword });
  const started = await client.startEnrollment({ account, code, ...registrations.requests });
  const { repository } = started;
  const records = registrations.finish(started);
  const made = makeDevice(tools, keys, options);
  const keyring = firstKeyring(keys, made, options, {
    repository,
    url: server.url,
    fingerprint: server.fingerprint ?? "",
  });
  const { token } = await client.finishEnrollment({
    account,
    code,
    ...records,
    recipient: keys.recipient,
    signingKey: bytesToBase64Url(keys.signingPublicKey),
    certificate: made.certificate,
    deviceName: options.name,
    reads: options.rememberKey,
    keyring: await keyringText(tools, account, { keys, password }, keyring),
    escrow: options.escrow.map((one) => recipientFingerprint(tools.engine, one)),
  });
  return { keys, device: deviceOf(keys, made, keyring, options, "server", token) };
}

/** Without a server that knows accounts: the keyring lies in the repository. @throws SEJF_ALREADY_EXISTS. */
export async function enrollInRepository(
  tools: EnrollTools,
  documents: DocumentStore,
  repository: Omit<ServedRepository, "opaqueKey">,
  options: EnrollOptions,
): Promise<Enrolled> {
  assertUsable(options);
  const { account, password } = options;
  if ((await documents.load("keyring")) !== undefined)
    throw new SejfError(
      "SEJF_ALREADY_EXISTS",
      `${account} has a keyring in this repository already`,
      {
        hint: "connect a further device with --account-key, or begin anew under another name",
      },
    );
  const keys = await deriveAccountKeys(tools.engine, tools.random.bytes(32));
  const made = makeDevice(tools, keys, options);
  const keyring = firstKeyring(keys, made, options, {
    repository: { ...repository, opaqueKey: "" },
    url: "",
    fingerprint: "",
  });
  await documents.save("keyring", await keyringText(tools, account, { keys, password }, keyring));
  return { keys, device: deviceOf(keys, made, keyring, options, "repository", undefined) };
}

/** A further device of an account that was just opened; the keyring that lists it is stored. */
export async function addDevice(
  place: KeyringPlace,
  unlocked: UnlockedAccount,
  options: NewDeviceOptions,
): Promise<Enrolled> {
  const { tools, account } = place;
  const { keys, client } = unlocked;
  const made = makeDevice(tools, keys, options);
  const token = await client?.addDevice({
    certificate: made.certificate,
    name: options.name,
    reads: options.rememberKey,
  });
  const { keyring } = await changeKeyring(place, unlocked, (before) => ({
    ...before,
    devices: [...before.devices.filter(({ id }) => id !== made.id), made.listed],
  }));
  const all = { ...options, account, escrow: keyring.escrow };
  const kind = client === undefined ? "repository" : "server";
  const device = deviceOf(keys, made, keyring, all, kind, token?.token);
  const { formerIdentities = [] } = keyring;
  const former = await formerKeysOf(tools.engine, formerIdentities);
  const kept = options.rememberKey ? { formerIdentities } : {};
  return { keys, device: { ...device, ...kept, secrets: { ...device.secrets, former } } };
}

function makeDevice(
  { random, clock }: EnrollTools,
  keys: AccountKeys,
  { name }: NewDeviceOptions,
): MadeDevice {
  const id = bytesToHex(random.bytes(8));
  const seed = random.bytes(32);
  const key = signingPublicKey(seed);
  return {
    id,
    seed,
    certificate: certifyDevice(keys.signingSeed, { id, key }),
    listed: { id, name, key: bytesToBase64Url(key), added: nowText(clock) },
  };
}

function firstKeyring(
  keys: AccountKeys,
  made: MadeDevice,
  { escrow }: EnrollOptions,
  {
    repository,
    url,
    fingerprint,
  }: {
    readonly repository: ServedRepository;
    readonly url: string;
    readonly fingerprint: string;
  },
): Keyring {
  const { opaqueKey, ...pinned } = repository;
  return {
    version: 1,
    identity: keys.identity,
    repository: pinned,
    server: { url, tlsSha256: fingerprint, opaqueKey },
    escrow,
    groups: [],
    devices: [made.listed],
    heads: {},
  };
}

function deviceOf(
  keys: AccountKeys,
  made: MadeDevice,
  keyring: Keyring,
  options: NewDeviceOptions & Pick<EnrollOptions, "account" | "escrow">,
  place: DeviceState["place"],
  token: string | undefined,
): DeviceState {
  const { repository, server } = keyring;
  const secrets: DeviceSecrets = {
    account: options.account,
    recipient: keys.recipient,
    escrow: options.escrow,
    accountKey: keys.accountKey,
    privateSecret: keys.privateSecret,
    accountSigningKey: keys.signingPublicKey,
    device: { id: made.id, name: options.name, seed: made.seed, certificate: made.certificate },
    keyringVersion: keyring.version,
  };
  return hidden(
    {
      secrets: hidden(secrets, `secrets of ${secrets.account}`),
      place,
      token,
      opaqueKey: place === "server" ? server.opaqueKey : undefined,
      repository: { hash: repository.hash, secretSha256: repository.secretSha256 },
      identity: options.rememberKey ? keys.identity : undefined,
      policyVersion: 0,
      heads: new HeadMemory(keyring.heads),
      last: lastSnapshots(),
    },
    `device of ${secrets.account}`,
  );
}

/** @throws SEJF_INVALID_ARGUMENT. */
function assertUsable({ account, password, deletePassword, escrow }: EnrollOptions): void {
  if (!/^[a-z0-9\-_.]+@[a-z0-9\-_.]+$/.test(account))
    throw invalid(`"${account}" is no account name`, "names are like alice@laptop, in lower case");
  assertPasswords({ password, deletePassword });
  if (!escrow.every((recipient) => isRecipient(recipient)))
    throw invalid(
      "an escrow recipient is no post-quantum age recipient",
      "they begin with age1pq1",
    );
}

/** That they are long enough, and two. @throws SEJF_INVALID_ARGUMENT. */
export function assertPasswords({ password, deletePassword }: Passwords): void {
  for (const text of [password, deletePassword])
    if (text !== undefined && Array.from(text).length < MIN_PASSWORD_LENGTH)
      throw invalid(
        `a password of a sealed account has ${MIN_PASSWORD_LENGTH} characters or more`,
        "several words that nobody else would put together are good",
      );
  if (password === deletePassword)
    throw invalid("the delete password is the account's own", "choose two different ones");
}

function invalid(message: string, hint: string): SejfError {
  return new SejfError("SEJF_INVALID_ARGUMENT", message, { hint });
}

/** RFC 3339 in seconds. */
function nowText(clock: Clock): string {
  return formatTimestamp(BigInt(Math.floor(clock.nowMs() / 1000)) * 1_000_000_000n);
}

/** What a recovery kit opens with. */
export interface KitIdentities {
  readonly identity: string;
  /** Those that the account had before, the newest first. */
  readonly former: readonly string[];
}

/**
 * A device made of the recovery kit alone, for reading: nobody else knows it, and what it would sign is none of the
 * account's.
 */
export async function deviceOfIdentity(
  tools: EnrollTools,
  account: string,
  { identity, former: formerIdentities }: KitIdentities,
  repository: DeviceState["repository"],
): Promise<DeviceState> {
  const keys = await deriveAccountKeys(tools.engine, identityToSeed(identity));
  const options = { name: "recovery kit", rememberKey: true, account, escrow: [] };
  const made = makeDevice(tools, keys, options);
  const pins = { ...repository, id: "", opaqueKey: "" };
  const keyring = firstKeyring(
    keys,
    made,
    { ...options, password: "" },
    {
      repository: pins,
      url: "",
      fingerprint: "",
    },
  );
  const device = deviceOf(keys, made, { ...keyring, version: 0 }, options, "repository", undefined);
  const former = await formerKeysOf(tools.engine, formerIdentities);
  return { ...device, formerIdentities, secrets: { ...device.secrets, former } };
}
