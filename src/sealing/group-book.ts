/**
 * The groups of an account as its keyring knows them. A document is taken only from an admin of the one that was known,
 * never an older one. SECURITY: the server is the attacker: what it says beside the signed document (members, probe scope)
 * has to agree with it. Spec: sealed 7.
 */
import {
  base64UrlToBytes,
  bytesToBase64Url,
  equalBytes,
  type OwnedBytes,
  parseTimestamp,
} from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import {
  adminsIn,
  type Group,
  type GroupMember,
  type Keyring,
  type KeyringGroup,
  type KnownGroup,
  type OpenedGroup,
  openGroup,
  type StoredGroup,
} from "../sealed/index.ts";
import type { DeviceGroup } from "./account.ts";
import type { JoinVerdict } from "./join-requests.ts";

/** What a device keeps of an opened document. */
export function deviceGroup({ group, sha256 }: OpenedGroup): DeviceGroup {
  const { id, epoch, admins, secret, params } = group;
  return { id, epoch, sha256, admins, secret, params };
}

/** What the keyring keeps of it, with what it kept before. */
export function pinOf(
  { group, sha256 }: OpenedGroup,
  before: Omit<KeyringGroup, "id" | "epoch" | "docSha256" | "admins">,
): KeyringGroup {
  const admins = group.admins.map((key) => bytesToBase64Url(key));
  return { ...before, id: group.id, epoch: group.epoch, docSha256: sha256, admins };
}

/** As the keyring pins it; where this device has followed further, as this device knows it. */
export function knownGroup(pin: KeyringGroup, device: DeviceGroup | undefined): KnownGroup {
  if (device !== undefined && device.id === pin.id && device.epoch > pin.epoch) return device;
  const { id, epoch, docSha256: sha256, admins } = pin;
  return { id, epoch, sha256, admins: admins.map((key) => base64UrlToBytes(key)) };
}

/**
 * What the server stores, compared with what is known. `isRollbackAccepted`: an older epoch counts, when an admin signed it.
 * @throws SEJF_CORRUPT for everything that no admin of the known document meant.
 */
export async function openStoredGroup(
  engine: CryptoEngine,
  identities: readonly string[],
  known: KnownGroup,
  stored: StoredGroup,
  isRollbackAccepted: boolean,
): Promise<OpenedGroup> {
  const file = base64UrlToBytes(stored.file);
  const since = isRollbackAccepted ? { ...known, epoch: -1 } : known;
  const opened = await openGroup(engine, identities, since, file);
  const { group } = opened;
  const members = group.members.map(({ account }) => account);
  const admins = adminsIn(group).map(({ account }) => account);
  const saysAdmins = admins.length < group.admins.length || sameNames(stored.admins, admins);
  const differs =
    stored.epoch !== group.epoch
      ? `the epoch ${stored.epoch}, and the signed document has ${group.epoch}`
      : !sameNames(stored.members, members)
        ? "other members than its admin signed"
        : !saysAdmins
          ? "other admins than signed it"
          : stored.probe !== group.params.probe
            ? `the probe scope "${stored.probe}", and its admin signed "${group.params.probe}"`
            : undefined;
  if (differs === undefined) return opened;
  throw new SejfError("SEJF_CORRUPT", `the server says that group ${group.id} has ${differs}`, {
    hint: "do not trust the server; tell an admin of the group",
  });
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  return some.toSorted().join() === others.toSorted().join();
}

/** By its name here, or the beginning of its ID. @throws SEJF_NOT_FOUND, SEJF_INVALID_ARGUMENT. */
export function findGroup({ groups }: Keyring, name: string): KeyringGroup {
  const named = groups.filter((group) => group.name === name);
  const found =
    named.length > 0 || name.length < 4 ? named : groups.filter(({ id }) => id.startsWith(name));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw only === undefined
    ? new SejfError("SEJF_NOT_FOUND", `this account has no group "${name}"`, {
        hint: "`sejf group list` shows its groups",
      })
    : new SejfError("SEJF_INVALID_ARGUMENT", `several groups are meant by "${name}"`);
}

/** @throws SEJF_ALREADY_EXISTS, SEJF_INVALID_ARGUMENT. */
export function assertFreeName({ groups }: Keyring, name: string): void {
  // oxlint-disable-next-line no-control-regex -- names are shown on terminals
  if (name === "" || name.length > 100 || /[\u0000-\u001f\u007f]/.test(name))
    throw new SejfError("SEJF_INVALID_ARGUMENT", "a group's name has 1 to 100 characters");
  if (groups.some((group) => group.name === name))
    throw new SejfError("SEJF_ALREADY_EXISTS", `this account calls another group "${name}"`);
}

/** The keyring with this one in place of what it has of the group; at its end when it is new. */
export function withPin(keyring: Keyring, pin: KeyringGroup): Keyring {
  const isKnown = keyring.groups.some(({ id }) => id === pin.id);
  const groups = isKnown
    ? keyring.groups.map((group) => (group.id === pin.id ? pin : group))
    : [...keyring.groups, pin];
  return { ...keyring, groups };
}

/** What people call it. */
export function nameOf({ name, id }: KeyringGroup): string {
  return name ?? id.slice(0, 8);
}

export function isOver(expires: string, nowMs: number): boolean {
  return parseTimestamp(expires) <= BigInt(nowMs) * 1_000_000n;
}

/** With those who join; a new key takes the place of the old one. */
export function withJoined(
  { admins, members }: Group,
  joined: readonly JoinVerdict[],
): Pick<Group, "admins" | "members"> {
  const came = joined.map(({ join: { account, recipient }, key }): GroupMember => {
    const before = members.find((one) => one.account === account);
    const kept = before?.recipient === recipient ? before.key : undefined;
    return { account, recipient, key: key ?? kept };
  });
  const isIn = (list: readonly GroupMember[], account: string): boolean =>
    list.some((one) => one.account === account);
  const gone = members.filter((one) => isIn(came, one.account)).map(({ key }) => key);
  const isOf = (keys: readonly (Uint8Array | undefined)[], key: Uint8Array): boolean =>
    keys.some((one) => one !== undefined && equalBytes(one, key));
  return {
    admins: [
      ...admins.filter((key) => !isOf(gone, key)),
      ...came.flatMap(({ key }) => (key === undefined ? [] : [key])),
    ],
    members: [
      ...members.map((one) => came.find(({ account }) => account === one.account) ?? one),
      ...came.filter(({ account }) => !isIn(members, account)),
    ],
  };
}

/** Each admin is named by his key among the members; documents of old programs lack it. */
export function withOwnKey(group: Group, account: string, key: OwnedBytes): Group {
  if (!group.admins.some((one) => equalBytes(one, key))) return group;
  const members = group.members.map((one) => (one.account === account ? { ...one, key } : one));
  return { ...group, members };
}
