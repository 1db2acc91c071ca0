/**
 * New keys for an account: a new seed, and with it another recipient, other secrets, another account key. What was stored
 * stays readable with the former identity, which the keyring keeps. Of the devices only this one goes on. Spec: sealed 3.
 */
import { bytesToBase64Url, bytesToHex, formatTimestamp, utf8ToBytes } from "../bytes/index.ts";
import {
  type AccountKeys,
  certifyDevice,
  encodeKeyring,
  type Keyring,
  type KeyringDevice,
  lockKeyring,
  payloadOf,
  REKEY_LABEL,
  signingPublicKey,
  signLine,
} from "../sealed/index.ts";
import { type ChangeOptions, headsOf } from "./account-change.ts";
import { type DeviceState, lastSnapshots } from "./device-file.ts";
import { formerKeysOf } from "./former-keys.ts";
import { sourceOfChain } from "./head-memory.ts";
import { startRegistration } from "./opaque-client.ts";
import type { SealedRepository } from "./sealed-repository.ts";

/**
 * `keys`: of a new seed; who has them already cannot be locked out any more. Gives what this device keeps from now on.
 * Heads that this device has not seen yet count no more: learn all of them before.
 * @throws SEJF_ACCESS_DENIED from a server that wants the delete password for it.
 */
export async function rekeyAccount(
  change: ChangeOptions,
  sealed: SealedRepository,
  device: DeviceState,
  keys: AccountKeys,
): Promise<DeviceState> {
  const { tools, account, unlocked, documents, guard } = change;
  const { keyring: old, client, password } = unlocked;
  const own = device.secrets.device;
  const certificate = certifyDevice(keys.signingSeed, {
    id: own.id,
    key: signingPublicKey(own.seed),
  });
  const keyring = nextKeyring(change, own.id, keys);
  const lock = { ...tools, account, accountKey: keys.accountKey, password };
  const text = await lockKeyring(lock, encodeKeyring(keyring), tools.random);
  const policies = await sealed.policiesUnderKeys(keys);
  if (client === undefined) {
    await documents.save("keyring", text);
    if (policies !== undefined) await documents.save("policies", policies.text);
  } else {
    const who = { engine: tools.engine, account, accountKey: keys.accountKey };
    const login = await startRegistration(who, "login", password);
    const started = await client.startPassword({ account, code: "", login: login.request });
    const hash = (of: string): string => bytesToHex(tools.engine.sha256(utf8ToBytes(of)));
    const request = {
      v: 1,
      account,
      login: login.finish(started.login).record,
      recipient: keys.recipient,
      signingKey: bytesToBase64Url(keys.signingPublicKey),
      certificate,
      keyringSha256: hash(text),
      policiesSha256: policies === undefined ? undefined : hash(policies.text),
      time: formatTimestamp(BigInt(Math.floor(tools.clock.nowMs())) * 1_000_000n),
    };
    const signed = signLine(REKEY_LABEL, unlocked.keys.signingSeed, payloadOf(request));
    const stepUp =
      started.hasDelete === true
        ? await (await guard?.())?.login.authorize("account.rekey", [account], { signed })
        : undefined;
    const body = { signed, keyring: { version: keyring.version, text }, policies };
    await client.rekey(body, { stepUp });
  }
  const { formerIdentities = [] } = keyring;
  return {
    ...device,
    secrets: {
      ...device.secrets,
      recipient: keys.recipient,
      accountKey: keys.accountKey,
      privateSecret: keys.privateSecret,
      accountSigningKey: keys.signingPublicKey,
      device: { ...own, certificate },
      keyringVersion: keyring.version,
      former: await formerKeysOf(tools.engine, formerIdentities),
      group: undefined,
    },
    identity: device.identity === undefined ? undefined : keys.identity,
    formerIdentities:
      device.identity === undefined ? undefined : [old.identity, ...(old.formerIdentities ?? [])],
    policyVersion: policies?.version ?? device.policyVersion,
    // Keys of the old time: the next snapshot seals everything anew.
    last: lastSnapshots(),
  };
}

/** What others signed up to now stays valid; groups learn the new keys at the next login. */
function nextKeyring(
  { unlocked, heads }: ChangeOptions,
  ownId: string,
  keys: AccountKeys,
): Keyring {
  const { keyring: old } = unlocked;
  const known = headsOf(old, heads);
  const revokedOf = (id: string): Readonly<Record<string, number>> =>
    Object.fromEntries(
      Object.entries(known)
        .filter(([chain]) => chain.endsWith(`#${id}`))
        .map(([chain, { seq }]) => [sourceOfChain(chain), seq]),
    );
  return {
    ...old,
    version: old.version + 1,
    identity: keys.identity,
    formerIdentities: [old.identity, ...(old.formerIdentities ?? [])],
    groups: old.groups.map((group) => ({ ...group, invites: [] })),
    heads: known,
    devices: old.devices.map(
      (device): KeyringDevice =>
        device.id === ownId || device.revoked !== undefined
          ? device
          : { ...device, revoked: revokedOf(device.id) },
    ),
  };
}
