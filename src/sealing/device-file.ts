/**
 * The file in which a device keeps what it has of a sealed account, beside its connection file. Mode 0600; replaced as
 * a whole. SECURITY: it holds what its last snapshots hold, and never the password. Spec: sealed 3.
 */
import { open, readFile, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  base64UrlToBytes,
  bytesToBase64Url,
  bytesToUtf8,
  type OwnedBytes,
  utf8ToBytes,
} from "../bytes/index.ts";
import { errorFromUnknown, isSejfError, SejfError } from "../errors/index.ts";
import { isAbsent, writeFileAtomically } from "../repository/index.ts";
import type { ManifestId } from "../manifest/index.ts";
import { type DeletedHeads, JsonShape } from "../sealed/index.ts";
import type { DeviceGroup, DeviceSecrets } from "./account.ts";
import { hidden } from "./hidden.ts";
import { HeadMemory, type SeenHead } from "./head-memory.ts";
import type { LastSnapshot, LastSnapshots } from "./sealed-snapshots.ts";

/** Nobody holds the lock longer than it takes to write a small file. */
const LOCK_MS = 10_000;
const LOCK_RETRY_MS = 50;

/** Which of its places keeps the account's documents and checks its logins. */
export type DocumentPlace = "server" | "repository";

/** What one device keeps. */
export interface DeviceState {
  readonly secrets: DeviceSecrets;
  readonly place: DocumentPlace;
  /** Adds, and reads nothing; absent where the repository knows no tokens. */
  readonly token: string | undefined;
  /** The OPAQUE library's key of the server; absent without a server. */
  readonly opaqueKey: string | undefined;
  /** What was pinned of the repository. */
  readonly repository: { readonly hash: string; readonly secretSha256: string };
  /** The account's identity line, where the user chose to keep it. */
  readonly identity: string | undefined;
  /** Beside it, those that it had before; absent: none. */
  readonly formerIdentities?: readonly string[] | undefined;
  readonly policyVersion: number;
  readonly heads: HeadMemory;
  readonly last: StoredLast;
}

/** The last snapshots, and which of them changed here. */
export interface StoredLast extends LastSnapshots {
  toJson(): Record<string, LastSnapshot>;
  /** What another process wrote of other sources counts. */
  keep(stored: StoredLast): void;
}

/** `<config>.sejf-sealed`. */
export function deviceFileOf(configFile: string): string {
  return `${configFile}.sejf-sealed`;
}

/** `undefined`: the connection is not a sealed one. @throws SEJF_CORRUPT, SEJF_PERMISSION. */
export async function loadDevice(configFile: string): Promise<DeviceState | undefined> {
  const path = deviceFileOf(configFile);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw errorFromUnknown(error, `reading ${path}`);
  }
  try {
    return decodeDevice(JSON.parse(bytesToUtf8(bytes)));
  } catch (error) {
    if (!isSejfError(error) && !(error instanceof SyntaxError)) throw error;
    // The parser's message may repeat some of the text.
    throw new SejfError("SEJF_CORRUPT", `${path} cannot be understood`, {
      hint: "connect again with the account key from the recovery kit or card",
    });
  }
}

/** @throws SEJF_NO_SPACE, SEJF_PERMISSION, SEJF_IO. */
export async function saveDevice(configFile: string, device: DeviceState): Promise<void> {
  await writeFileAtomically(deviceFileOf(configFile), utf8ToBytes(encodeDevice(device)));
}

/**
 * As `saveDevice`, on what the file says now: several programs may back up different folders at once. One after the
 * other; a lock that a dead one left is broken.
 */
export async function updateDevice(
  configFile: string,
  change: (stored: DeviceState | undefined) => DeviceState,
): Promise<DeviceState> {
  const lock = `${deviceFileOf(configFile)}.lock`;
  await takeLock(lock);
  try {
    const next = change(await loadDevice(configFile));
    await saveDevice(configFile, next);
    return next;
  } finally {
    await rm(lock, { force: true });
  }
}

async function takeLock(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await (await open(path, "wx", 0o600)).close();
      return;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST"))
        throw errorFromUnknown(error, `locking ${path}`);
    }
    if (attempt * LOCK_RETRY_MS > LOCK_MS) await rm(path, { force: true });
    await sleep(LOCK_RETRY_MS);
  }
}

export async function removeDevice(configFile: string): Promise<void> {
  await rm(deviceFileOf(configFile), { force: true });
}

/** The last plain manifest of each source, in memory. */
export function lastSnapshots(entries: Readonly<Record<string, LastSnapshot>> = {}): StoredLast {
  let last = new Map(Object.entries(entries));
  const changed = new Set<string>();
  return {
    get: (path) => last.get(path),
    set(path, snapshot): void {
      changed.add(path);
      last.set(path, snapshot);
    },
    delete(path): void {
      changed.add(path);
      last.delete(path);
    },
    keep(stored): void {
      const own = [...last].filter(([path]) => changed.has(path));
      const others = Object.entries(stored.toJson()).filter(([path]) => !changed.has(path));
      last = new Map([...others, ...own]);
    },
    toJson: () => Object.fromEntries(last),
  };
}

function encodeDevice(state: DeviceState): string {
  const { secrets } = state;
  const { device, group } = secrets;
  const json = {
    v: 1,
    account: secrets.account,
    place: state.place,
    token: state.token,
    opaqueKey: state.opaqueKey,
    repository: state.repository,
    identity: state.identity,
    formerIdentities: state.formerIdentities,
    recipient: secrets.recipient,
    escrow: secrets.escrow,
    accountKey: bytesToBase64Url(secrets.accountKey),
    privateSecret: bytesToBase64Url(secrets.privateSecret),
    accountSigningKey: bytesToBase64Url(secrets.accountSigningKey),
    device: { ...device, seed: bytesToBase64Url(device.seed) },
    keyringVersion: secrets.keyringVersion,
    former: secrets.former?.map(({ pathKey, signingKey }) => ({
      pathKey: bytesToBase64Url(pathKey),
      signingKey: bytesToBase64Url(signingKey),
    })),
    group: group === undefined ? undefined : encodeGroup(group),
    policyVersion: state.policyVersion,
    ...state.heads.toJson(),
    last: state.last.toJson(),
  };
  return `${JSON.stringify(json, undefined, 2)}\n`;
}

function encodeGroup(group: DeviceGroup): object {
  return {
    ...group,
    admins: group.admins.map((key) => bytesToBase64Url(key)),
    secret: bytesToBase64Url(group.secret),
  };
}

function decodeDevice(json: unknown): DeviceState {
  const shape = new JsonShape("the device file", json);
  shape.version(1);
  const device = shape.object("device");
  const repository = shape.object("repository");
  const place = shape.text("place");
  if (place !== "server" && place !== "repository") throw shape.wrong("place", "a known place");
  const secrets: DeviceSecrets = {
    account: shape.text("account"),
    recipient: shape.text("recipient"),
    escrow: shape.texts("escrow"),
    accountKey: shape.bytes("accountKey", 16),
    privateSecret: shape.bytes("privateSecret", 32),
    accountSigningKey: shape.bytes("accountSigningKey", 32),
    device: {
      id: device.hex("id", 8),
      name: device.text("name"),
      seed: device.bytes("seed", 32),
      certificate: device.text("certificate"),
    },
    keyringVersion: shape.integer("keyringVersion"),
    ...(shape.has("former")
      ? {
          former: shape.objects("former").map((one) => ({
            pathKey: one.bytes("pathKey", 32),
            signingKey: one.bytes("signingKey", 32),
          })),
        }
      : {}),
    group: shape.has("group") ? decodeGroup(shape.object("group")) : undefined,
  };
  return hidden(
    {
      secrets: hidden(secrets, `secrets of ${secrets.account}`),
      place,
      token: optional(shape, "token"),
      opaqueKey: optional(shape, "opaqueKey"),
      repository: {
        hash: repository.text("hash"),
        secretSha256: repository.hex("secretSha256", 32),
      },
      identity: optional(shape, "identity"),
      ...(shape.has("formerIdentities")
        ? { formerIdentities: shape.texts("formerIdentities") }
        : {}),
      policyVersion: shape.integer("policyVersion"),
      heads: new HeadMemory(decodeHeads(shape), shape.has("accepted") ? decodeAccepted(shape) : {}),
      last: lastSnapshots(decodeLast(shape)),
    },
    `device of ${secrets.account}`,
  );
}

function decodeGroup(shape: JsonShape): DeviceGroup {
  const params = shape.object("params");
  const probe = params.text("probe");
  if (probe !== "group" && probe !== "own") throw params.wrong("probe", "group or own");
  return {
    id: shape.hex("id", 16),
    epoch: shape.integer("epoch"),
    sha256: shape.hex("sha256", 32),
    admins: shape.texts("admins").map((text): OwnedBytes => base64UrlToBytes(text)),
    secret: shape.bytes("secret", 32),
    params: {
      splitter: params.text("splitter"),
      compression: params.text("compression"),
      compressionVersion: params.text("compressionVersion"),
      minSize: params.integer("minSize"),
      probe,
    },
  };
}

function decodeHeads(shape: JsonShape): Record<string, SeenHead> {
  return Object.fromEntries(
    shape.entries("heads").map(([chain, value]) => {
      const head = new JsonShape(`the head of ${chain}`, value);
      return [chain, { seq: head.integer("seq"), sha256: head.hex("sha256", 32) }];
    }),
  );
}

function decodeAccepted(shape: JsonShape): Record<string, DeletedHeads> {
  return Object.fromEntries(
    shape.entries("accepted").map(([chain, value]) => {
      const one = new JsonShape(`what was accepted of ${chain}`, value);
      return [chain, { upTo: one.integer("upTo"), newest: one.integer("newest") }];
    }),
  );
}

function decodeLast(shape: JsonShape): Record<string, LastSnapshot> {
  return Object.fromEntries(
    shape.entries("last").map(([path, value]) => {
      const last = new JsonShape(`the last snapshot of ${path}`, value);
      const id = last.text("id") as ManifestId;
      return [path, { id, manifest: last.text("manifest"), contents: last.text("contents") }];
    }),
  );
}

function optional(shape: JsonShape, name: string): string | undefined {
  return shape.has(name) ? shape.text(name) : undefined;
}
