/** Devices of an account and their signed heads: what makes a rolled-back or forked past visible. Spec: sealed 10. */
import { bytesToBase64Url, bytesToHex, type OwnedBytes, utf8ToBytes } from "../bytes/index.ts";
import type { CryptoEngine } from "../crypto/index.ts";
import { SejfError } from "../errors/index.ts";
import { JsonShape } from "./json-shape.ts";
import { parsePayload, payloadOf, readUnverified, signLine, verifyLine } from "./signed.ts";

const DEVICE_LABEL = "sejf device v1";
const HEAD_LABEL = "sejf head v1";
const KEY_BYTES = 32;
const HASH_BYTES = 32;
const DEVICE_ID_BYTES = 8;

/** The account's word that this key is one of its devices'. */
export interface DeviceCertificate {
  /** 8 bytes as hex. */
  readonly id: string;
  /** Ed25519 public key. */
  readonly key: OwnedBytes;
}

/** The signed line. */
export function certifyDevice(accountSigningSeed: Uint8Array, device: DeviceCertificate): string {
  const payload = { v: 1, id: device.id, key: bytesToBase64Url(device.key) };
  return signLine(DEVICE_LABEL, accountSigningSeed, payloadOf(payload));
}

/** @throws SEJF_CORRUPT unless the account signed it. */
export function openCertificate(accountKey: Uint8Array, line: string): DeviceCertificate {
  const payload = verifyLine(DEVICE_LABEL, accountKey, line);
  const shape = new JsonShape("a device certificate", parsePayload(DEVICE_LABEL, payload));
  shape.version(1);
  return { id: shape.hex("id", DEVICE_ID_BYTES), key: shape.bytes("key", KEY_BYTES) };
}

/** What a device says of its newest snapshot of one source. */
export interface Head {
  /** `user@host:/sealed/…`. */
  readonly source: string;
  readonly device: string;
  /** The signed certificate, newline included. */
  readonly cert: string;
  /** From 1, for each source and device. */
  readonly seq: number;
  /** SHA-256 of the previous `head.json` of the chain as hex; empty at first. */
  readonly prev: string;
  /** SHA-256 of `snapshot.age` as hex. */
  readonly body: string;
  /** Object ID of `contents/`. */
  readonly contents: string;
  /** Start of the snapshot, RFC 3339 in seconds. */
  readonly start: string;
  readonly keyring: number;
  /** 16 bytes as hex; empty without a group. */
  readonly group: string;
  readonly epoch: number;
  /** `source#device` to `seq:first 16 hex digits`. */
  readonly seen: Readonly<Record<string, string>>;
}

/** A head as stored, its place in its chain, and the hash that the next one names. */
export interface OpenedHead {
  readonly head: Head;
  readonly certificate: DeviceCertificate;
  /** Hex of SHA-256 over the line. */
  readonly sha256: string;
}

/** `head.json`, newline included. */
export function signHead(deviceSeed: Uint8Array, head: Head): string {
  const { source, device, cert, seq, prev, body, contents, start } = head;
  const { keyring, group, epoch, seen } = head;
  const payload = {
    v: 1,
    source,
    device,
    cert,
    seq,
    prev,
    body,
    contents,
    start,
    keyring,
    group,
    epoch,
    seen,
  };
  return signLine(HEAD_LABEL, deviceSeed, payloadOf(payload));
}

/** @throws SEJF_CORRUPT unless a device that the account certified signed it. */
export function openHead(engine: CryptoEngine, accountKey: Uint8Array, line: string): OpenedHead {
  const unverified = new JsonShape(
    "a snapshot head",
    parsePayload(HEAD_LABEL, readUnverified(HEAD_LABEL, line)),
  );
  const certificate = openCertificate(accountKey, unverified.text("cert"));
  verifyLine(HEAD_LABEL, certificate.key, line);
  const head = readHead(unverified);
  if (head.device !== certificate.id)
    throw new SejfError(
      "SEJF_CORRUPT",
      `a snapshot head is signed by device ${certificate.id} in the name of ${head.device}`,
    );
  return { head, certificate, sha256: bytesToHex(engine.sha256(utf8ToBytes(line))) };
}

/** Key of a chain in `seen` and in the keyring. */
export function chainOf(source: string, device: string): string {
  return `${source}#${device}`;
}

function readHead(shape: JsonShape): Head {
  shape.version(1);
  const seen: Record<string, string> = {};
  for (const [chain, value] of shape.entries("seen")) {
    if (typeof value !== "string" || !/^[1-9]\d*:[0-9a-f]{16}$/.test(value))
      throw shape.wrong("seen", "a map of chains");
    Object.defineProperty(seen, chain, { value, enumerable: true });
  }
  const prev = shape.text("prev");
  const group = shape.text("group");
  const seq = shape.integer("seq");
  if (seq < 1) throw shape.wrong("seq", "1 or more");
  return {
    source: shape.text("source"),
    device: shape.hex("device", DEVICE_ID_BYTES),
    cert: shape.text("cert"),
    seq,
    prev: prev === "" ? prev : shape.hex("prev", HASH_BYTES),
    body: shape.hex("body", HASH_BYTES),
    contents: shape.text("contents"),
    start: shape.text("start"),
    keyring: shape.integer("keyring"),
    group: group === "" ? group : shape.hex("group", 16),
    epoch: shape.integer("epoch"),
    seen,
  };
}
