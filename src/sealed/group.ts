/**
 * Dedup groups: the document that carries the group's secret to its members, invitations, and requests to join.
 * Only an admin of the document that one already has may write the next. Spec: sealed 7.
 */
import {
  bytesToBase64Url,
  bytesToHex,
  bytesToUtf8,
  equalBytes,
  type OwnedBytes,
  type Random,
  utf8ToBytes,
} from "../bytes/index.ts";
import { type CryptoEngine, equalSecrets } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import { isRecipient, openSealed, sealTo } from "./age.ts";
import { box, unbox } from "./boxed.ts";
import { JsonShape } from "./json-shape.ts";
import { deriveKey, labelled } from "./labels.ts";
import { parsePayload, payloadOf, readUnverified, signLine, verifyLineByAny } from "./signed.ts";

const GROUP_LABEL = "sejf group v1";
const INVITE_LABEL = "sejf invite v1";
const ID_BYTES = 16;
const KEY_BYTES = 32;

/** Who can find out whether a chunk exists: members, or nobody. */
export type ProbeScope = "group" | "own";

export interface GroupParams {
  readonly splitter: string;
  /** Kopia's name, or `none`. */
  readonly compression: string;
  /** Library and version: only equal ones give equal contents. */
  readonly compressionVersion: string;
  /** Shorter chunks are never shared. */
  readonly minSize: number;
  readonly probe: ProbeScope;
}

export interface GroupMember {
  readonly account: string;
  readonly recipient: string;
  /** Of an admin: the account's Ed25519 key, one of the group's `admins`. */
  readonly key?: OwnedBytes | undefined;
}

export interface Group {
  /** 16 bytes as hex. */
  readonly id: string;
  /** From 1. */
  readonly epoch: number;
  /** SHA-256 of the previous signed line as hex; empty at first. */
  readonly prev: string;
  /** Ed25519 keys of accounts. */
  readonly admins: readonly OwnedBytes[];
  readonly members: readonly GroupMember[];
  /** The convergence secret of this epoch, 32 bytes. */
  readonly secret: OwnedBytes;
  readonly params: GroupParams;
}

/** A group as read, with the line's own hash, which the next epoch names. */
export interface OpenedGroup {
  readonly group: Group;
  readonly sha256: string;
  readonly line: string;
}

/** The signed line and the file for its members. */
export async function writeGroup(
  engine: CryptoEngine,
  adminSeed: Uint8Array,
  group: Group,
): Promise<OpenedGroup & { readonly file: OwnedBytes }> {
  const { id, epoch, prev, params } = group;
  const payload = {
    v: 1,
    id,
    epoch,
    prev,
    admins: group.admins.map((key) => bytesToBase64Url(key)),
    members: group.members.map(({ account, recipient, key }) => ({
      account,
      recipient,
      ...(key === undefined ? {} : { key: bytesToBase64Url(key) }),
    })),
    secret: bytesToBase64Url(group.secret),
    params,
  };
  const line = signLine(GROUP_LABEL, adminSeed, payloadOf(payload));
  const recipients = group.members.map((member) => member.recipient);
  const file = await sealTo(recipients, utf8ToBytes(line));
  return { group, sha256: hashOf(engine, line), line, file };
}

/** What a reader already knows of a group. */
export interface KnownGroup {
  readonly id: string;
  readonly epoch: number;
  readonly sha256: string;
  readonly admins: readonly Uint8Array[];
}

/**
 * A group document from the server, sealed to one of these identities. @throws SEJF_CORRUPT unless it is the known one, or an
 * admin of that one signed it and it is a later epoch of the same group.
 */
export async function openGroup(
  engine: CryptoEngine,
  identities: readonly string[],
  known: KnownGroup,
  file: Uint8Array,
): Promise<OpenedGroup> {
  const line = bytesToUtf8(await openSealed(identities, "a group document", file));
  const opened = readPinnedGroup(engine, known, line);
  const { group, sha256 } = opened;
  if (group.id !== known.id) throw refused(known, `it is the document of group ${group.id}`);
  if (group.epoch < known.epoch) throw refused(known, `it went back to epoch ${group.epoch}`);
  if (group.epoch === known.epoch && sha256 !== known.sha256)
    throw refused(known, "it is another document of the same epoch");
  if (group.epoch === known.epoch + 1 && group.prev !== known.sha256)
    throw refused(known, "it does not follow the document that this device knows");
  return opened;
}

/**
 * The line alone: the known one, whoever signed it (an admin who handed over is none any more), or one that an admin of the
 * known one signed. @throws SEJF_CORRUPT.
 */
export function readPinnedGroup(
  engine: CryptoEngine,
  { admins, sha256 }: Pick<KnownGroup, "admins" | "sha256">,
  line: string,
): OpenedGroup {
  return hashOf(engine, line) === sha256
    ? readUnsigned(engine, line)
    : readGroup(engine, admins, line);
}

/** The line alone, signed by one of these. @throws SEJF_CORRUPT. */
export function readGroup(
  engine: CryptoEngine,
  admins: readonly Uint8Array[],
  line: string,
): OpenedGroup {
  const { payload, signer } = verifyLineByAny(GROUP_LABEL, admins, line);
  const group = parseGroup(payload);
  if (!group.admins.some((key) => equalBytes(key, signer)) && group.epoch === 1)
    throw new SejfError("SEJF_CORRUPT", "a group's first document is not signed by its admin");
  return { group, sha256: hashOf(engine, line), line };
}

/** What the server keeps of an invitation. */
export interface InviteRecord {
  readonly id: string;
  readonly group: string;
  readonly expires: string;
  readonly nonce: OwnedBytes;
  readonly ct: OwnedBytes;
}

/** Where the server files an invitation: 16 bytes as hex. */
export function inviteId(engine: CryptoEngine, code: Uint8Array): string {
  return bytesToHex(deriveKey(engine, code, "sejf invite id v1", ID_BYTES));
}

/** `code` has 16 bytes and travels outside of the server. */
export function writeInvite(
  engine: CryptoEngine,
  code: Uint8Array,
  { group, line }: OpenedGroup,
  expires: string,
  random: Random,
): InviteRecord {
  const key = deriveKey(engine, code, INVITE_LABEL);
  const boxed = box(INVITE_LABEL, key, utf8ToBytes(line), random);
  return { id: inviteId(engine, code), group: group.id, expires, ...boxed };
}

/**
 * The group that an invitation leads to. Whoever knows the code vouches for its admins: the server cannot put itself
 * in between. @throws SEJF_CORRUPT.
 */
export function openInvite(
  engine: CryptoEngine,
  code: Uint8Array,
  record: InviteRecord,
): OpenedGroup {
  const key = deriveKey(engine, code, INVITE_LABEL);
  const line = bytesToUtf8(unbox(INVITE_LABEL, key, record));
  // A later document may be signed by who was an admin before it: then the code alone vouches.
  const unsigned = readUnsigned(engine, line);
  const { epoch, admins } = unsigned.group;
  const opened = epoch === 1 ? readGroup(engine, admins, line) : unsigned;
  if (opened.group.id !== record.group)
    throw new SejfError("SEJF_CORRUPT", "an invitation holds the document of another group");
  return opened;
}

/** Proof for the admin that who asks to join knows the code. */
export function joinMac(
  engine: CryptoEngine,
  code: Uint8Array,
  { account, recipient }: GroupMember,
): OwnedBytes {
  const key = deriveKey(engine, code, "sejf join v1");
  return engine.hmacSha256(key, labelled(account, utf8ToBytes(recipient)));
}

export function isJoinMac(
  engine: CryptoEngine,
  code: Uint8Array,
  member: GroupMember,
  mac: Uint8Array,
): boolean {
  return isRecipient(member.recipient) && equalSecrets(joinMac(engine, code, member), mac);
}

/** Who asks to join, with the key that he signs with. */
export interface JoiningAdmin extends GroupMember {
  readonly key: OwnedBytes;
}

/** Proof for the admin that whoever knows the code has this signing key too, with which he is to be an admin. */
export function joinKeyMac(
  engine: CryptoEngine,
  code: Uint8Array,
  { account, recipient, key }: JoiningAdmin,
): OwnedBytes {
  const macKey = deriveKey(engine, code, "sejf join key v1");
  return engine.hmacSha256(macKey, labelled(account, labelled(recipient, key)));
}

export function isJoinKeyMac(
  engine: CryptoEngine,
  code: Uint8Array,
  member: JoiningAdmin,
  mac: Uint8Array,
): boolean {
  return equalSecrets(joinKeyMac(engine, code, member), mac);
}

/** Those of the members whose keys may sign the next document. */
export function adminsIn({ admins, members }: Group): readonly GroupMember[] {
  return members.filter(
    ({ key }) => key !== undefined && admins.some((one) => equalBytes(one, key)),
  );
}

/** For a line that something else than its signature vouches for. */
function readUnsigned(engine: CryptoEngine, line: string): OpenedGroup {
  const group = parseGroup(readUnverified(GROUP_LABEL, line));
  return { group, sha256: hashOf(engine, line), line };
}

function parseGroup(payload: Uint8Array): Group {
  const shape = new JsonShape("a group document", parsePayload(GROUP_LABEL, payload));
  shape.version(1);
  const prev = shape.text("prev");
  const params = shape.object("params");
  const probe = params.text("probe");
  if (probe !== "group" && probe !== "own") throw params.wrong("probe", "group or own");
  return {
    id: shape.hex("id", ID_BYTES),
    epoch: shape.integer("epoch"),
    prev: prev === "" ? prev : shape.hex("prev", 32),
    admins: shape.texts("admins").map((text) => adminKey(shape, text)),
    members: shape.objects("members").map((member) => ({
      account: member.text("account"),
      recipient: recipientOf(member),
      ...(member.has("key") ? { key: member.bytes("key", KEY_BYTES) } : {}),
    })),
    secret: shape.bytes("secret", KEY_BYTES),
    params: {
      splitter: params.text("splitter"),
      compression: params.text("compression"),
      compressionVersion: params.text("compressionVersion"),
      minSize: params.integer("minSize"),
      probe,
    },
  };
}

function adminKey(shape: JsonShape, text: string): OwnedBytes {
  const key = new JsonShape("an admin", { key: text }).bytes("key");
  if (key.length !== KEY_BYTES) throw shape.wrong("admins", "a list of keys");
  return key;
}

function recipientOf(member: JsonShape): string {
  const recipient = member.text("recipient");
  if (!isRecipient(recipient)) throw member.wrong("recipient", "a post-quantum age recipient");
  return recipient;
}

function hashOf(engine: CryptoEngine, line: string): string {
  return bytesToHex(engine.sha256(utf8ToBytes(line)));
}

function refused(known: KnownGroup, why: string): SejfError {
  return new SejfError("SEJF_CORRUPT", `the document of group ${known.id} is refused: ${why}`, {
    hint: `this device knows epoch ${known.epoch}; ask an admin of the group what happened`,
  });
}

/** Random 16 bytes as hex. */
export function newGroupId(random: Random): string {
  return bytesToHex(random.bytes(ID_BYTES));
}
