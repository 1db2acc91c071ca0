/** What an account keeps for itself, under its password: seed, pins, groups, devices, heads. Spec: sealed 3. */
import { bytesToUtf8, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import { SejfError } from "../errors/index.ts";
import { isRecipient } from "./age.ts";
import { JsonShape } from "./json-shape.ts";

export interface KeyringGroup {
  readonly id: string;
  readonly epoch: number;
  /** Hex of SHA-256 over the signed line. */
  readonly docSha256: string;
  /** base64url of Ed25519 keys. */
  readonly admins: readonly string[];
  /** What this account calls it. */
  readonly name?: string | undefined;
  /** New chunks are sealed for it; of one group at most. */
  readonly used?: boolean | undefined;
  /** No admin has made the account a member yet. */
  readonly pending?: boolean | undefined;
  /** Of an admin: invitations that may still be answered. */
  readonly invites?: readonly KeyringInvite[] | undefined;
}

/** SECURITY: the code opens the group's document as it was then, and makes a member of whoever has it first. */
export interface KeyringInvite {
  /** base64url of 16 bytes. */
  readonly code: string;
  /** RFC 3339. */
  readonly expires: string;
  /** The only one who may use it. */
  readonly account?: string | undefined;
  /** Who uses it becomes an admin. */
  readonly admin?: boolean | undefined;
}

export interface KeyringDevice {
  readonly id: string;
  readonly name: string;
  /** base64url of its Ed25519 key. */
  readonly key: string;
  /** RFC 3339. */
  readonly added: string;
  /** Absent: it may sign. Last valid number by source otherwise. */
  readonly revoked?: Readonly<Record<string, number>> | undefined;
}

export interface KeyringHead {
  readonly seq: number;
  readonly sha256: string;
}

export interface Keyring {
  /** Grows with each change. */
  readonly version: number;
  /** `AGE-SECRET-KEY-PQ-1…`. */
  readonly identity: string;
  /** Those that the account had before, the newest first; absent: none. They open what was stored then. */
  readonly formerIdentities?: readonly string[] | undefined;
  readonly repository: {
    readonly id: string;
    readonly hash: string;
    readonly secretSha256: string;
  };
  readonly server: { readonly url: string; readonly tlsSha256: string; readonly opaqueKey: string };
  /** Further recipients of every snapshot. */
  readonly escrow: readonly string[];
  readonly groups: readonly KeyringGroup[];
  readonly devices: readonly KeyringDevice[];
  /** By chain, `source#device`. */
  readonly heads: Readonly<Record<string, KeyringHead>>;
}

export function encodeKeyring(keyring: Keyring): OwnedBytes {
  return utf8ToBytes(JSON.stringify({ v: 1, ...keyring }));
}

/** @throws SEJF_CORRUPT, SEJF_UNSUPPORTED_FORMAT; and when it is older than `highestSeen`. */
export function decodeKeyring(plaintext: Uint8Array, highestSeen: number): Keyring {
  const shape = new JsonShape("the keyring", parse(plaintext));
  shape.version(1);
  const version = shape.integer("version");
  if (version < highestSeen)
    throw new SejfError(
      "SEJF_CORRUPT",
      `the keyring went back from version ${highestSeen} to ${version}`,
      { hint: "after a restore of the server, --accept-rollback accepts it" },
    );
  const repository = shape.object("repository");
  const server = shape.object("server");
  const escrow = shape.texts("escrow");
  if (!escrow.every((recipient) => isRecipient(recipient)))
    throw shape.wrong("escrow", "a list of post-quantum age recipients");
  return {
    version,
    identity: shape.text("identity"),
    ...(shape.has("formerIdentities") ? { formerIdentities: shape.texts("formerIdentities") } : {}),
    repository: {
      id: repository.text("id"),
      hash: repository.text("hash"),
      secretSha256: repository.hex("secretSha256", 32),
    },
    server: {
      url: server.text("url"),
      tlsSha256: server.text("tlsSha256"),
      opaqueKey: server.text("opaqueKey"),
    },
    escrow,
    groups: shape.objects("groups").map((group) => readGroup(group)),
    devices: shape.objects("devices").map((device) => readDevice(device)),
    heads: readHeads(shape),
  };
}

function readGroup(group: JsonShape): KeyringGroup {
  return {
    id: group.hex("id", 16),
    epoch: group.integer("epoch"),
    docSha256: group.hex("docSha256", 32),
    admins: group.texts("admins"),
    ...(group.has("name") ? { name: group.text("name") } : {}),
    ...(group.has("used") ? { used: group.flag("used") } : {}),
    ...(group.has("pending") ? { pending: group.flag("pending") } : {}),
    ...(group.has("invites")
      ? { invites: group.objects("invites").map((invite) => readInvite(invite)) }
      : {}),
  };
}

function readInvite(invite: JsonShape): KeyringInvite {
  return {
    code: invite.text("code"),
    expires: invite.text("expires"),
    ...(invite.has("account") ? { account: invite.text("account") } : {}),
    ...(invite.has("admin") ? { admin: invite.flag("admin") } : {}),
  };
}

function readDevice(device: JsonShape): KeyringDevice {
  const base = {
    id: device.hex("id", 8),
    name: device.text("name"),
    key: device.text("key"),
    added: device.text("added"),
  };
  if (!device.has("revoked")) return base;
  const revoked = new Map<string, number>();
  for (const [source, seq] of device.entries("revoked")) {
    if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0)
      throw device.wrong("revoked", "a map of sequence numbers");
    revoked.set(source, seq);
  }
  return { ...base, revoked: Object.fromEntries(revoked) };
}

function readHeads(shape: JsonShape): Record<string, KeyringHead> {
  const heads = new Map<string, KeyringHead>();
  for (const [chain, value] of shape.entries("heads")) {
    const head = new JsonShape(`the head of ${chain}`, value);
    heads.set(chain, { seq: head.integer("seq"), sha256: head.hex("sha256", 32) });
  }
  return Object.fromEntries(heads);
}

function parse(plaintext: Uint8Array): unknown {
  try {
    return JSON.parse(bytesToUtf8(plaintext));
  } catch {
    // The parser's message may repeat some of the text.
    throw new SejfError("SEJF_CORRUPT", "the keyring is not JSON");
  }
}
