/**
 * New keys for an account: a new seed, and with it another recipient, other secrets, another account key. What was stored
 * stays readable with the former identity, which the keyring keeps. Of the devices only this one goes on. Spec: sealed 3.
 */
import { bytesToBase64Url, bytesToHex, formatTimestamp, utf8ToBytes } from "../bytes/index.ts";
import {
  type AccountKeys,
  certifyDevice,
  type Keyring,
  type KeyringDevice,
  payloadOf,
  REKEY_LABEL,
  signingPublicKey,
  signLine,
} from "../sealed/index.ts";
import { type ChangeOptions, headsOf } from "./account-change.ts";
import { type DeviceState, lastSnapshots } from "./device-file.ts";
import { formerKeysOf } from "./former-keys.ts";
import { type HeadMemory, sourceOfChain } from "./head-memory.ts";
import { changeKeyring, keyringText } from "./keyring-store.ts";
import { startRegistrations } from "./opaque-client.ts";
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
  const { tools, account, unlocked, documents, heads, guard } = change;
  const { keyring: old, client, password } = unlocked;
  const own = device.secrets.device;
  const certificate = certifyDevice(keys.signingSeed, {
    id: own.id,
    key: signingPublicKey(own.seed),
  });
  const policies = await sealed.policiesUnderKeys(keys);
  const renewed = (before: Keyring): Keyring => nextKeyring(before, heads, own.id, keys);
  let keyring = { ...renewed(old), version: old.version + 1 };
  if (client === undefined) {
    ({ keyring } = await changeKeyring(change, unlocked, renewed, { keys, password }));
    if (policies !== undefined) await documents.save("policies", policies.text);
  } else {
    const who = { engine: tools.engine, account, accountKey: keys.accountKey };
    const registrations = await startRegistrations(who, { password });
    const started = await client.startPassword({ account, code: "", ...registrations.requests });
    const text = await keyringText(tools, account, { keys, password }, keyring);
    const hash = (of: string): string => bytesToHex(tools.engine.sha256(utf8ToBytes(of)));
    const request = {
      v: 1,
      account,
      login: registrations.finish(started).login,
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
function nextKeyring(old: Keyring, heads: HeadMemory, ownId: string, keys: AccountKeys): Keyring {
  const known = headsOf(old, heads);
  const revokedOf = (id: string): Readonly<Record<string, number>> =>
    Object.fromEntries(
      Object.entries(known)
        .filter(([chain]) => chain.endsWith(`#${id}`))
        .map(([chain, { seq }]) => [sourceOfChain(chain), seq]),
    );
  return {
    ...old,
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
