/**
 * Sealed snapshots made by hand, right or wrong in one part, for what a server must refuse. They hold no data of anybody:
 * a server could not tell.
 */
import {
  bytesToHex,
  formatTimestamp,
  goJson,
  parseTimestamp,
  utf8ToBytes,
} from "../bytes/index.ts";
import type { ContentRef } from "../format/index.ts";
import type { Labels } from "../manifest/index.ts";
import { nodeCryptoEngine as engine } from "../node/index.ts";
import type { Repository } from "../repository/index.ts";
import { type Head, signHead } from "../sealed/index.ts";
import type { DeviceSecrets } from "../sealing/index.ts";

type Json = Readonly<Record<string, unknown>>;

export interface Craft {
  readonly path?: string;
  /** Of the one content that is listed. */
  readonly data?: Uint8Array;
  /** Instead of what was stored. */
  readonly listed?: string;
  readonly startMs?: number;
  readonly endMs?: number;
  readonly head?: Partial<Head>;
  /** Instead of the signed line; `null`: the snapshot has none. */
  readonly line?: string | null;
  readonly seed?: Uint8Array;
  readonly leaf?: (leaf: Json) => Json;
  readonly root?: (root: Json) => Json;
  readonly manifest?: (manifest: Json) => Json;
  readonly labels?: Labels;
}

export const CRAFTED_PATH = "/sealed/abcdefghijklmnopqrst";
const EPOCH = "1970-01-01T00:00:00Z";
const SUMMARY = { size: 0, files: 0, symlinks: 0, dirs: 1, maxTime: EPOCH, numFailed: 0 };

/** Puts it, and gives the head's line. Nothing counts before the repository is flushed. */
export async function craftSnapshot(
  repository: Pick<Repository, "contents" | "manifests">,
  secrets: DeviceSecrets,
  nowMs: number,
  craft: Craft = {},
): Promise<string> {
  const { contents, manifests } = repository;
  const { path = CRAFTED_PATH, startMs = nowMs, endMs = startMs } = craft;
  const [userName = "", host = ""] = secrets.account.split("@");
  const store = async (text: string | Uint8Array, prefix: "" | "k"): Promise<ContentRef> =>
    await contents.write(typeof text === "string" ? utf8ToBytes(text) : text, { prefix });
  const directory = async (json: Json): Promise<ContentRef> =>
    await store(`${goJson(json)}\n`, "k");
  const data = craft.data ?? utf8ToBytes("ciphertext of the test");
  const content = craft.listed ?? (await store(data, ""));
  const leaf: Json = {
    stream: "kopia:directory",
    entries: [{ name: content, type: "f", mode: "0600", size: data.length, obj: content }],
    summary: SUMMARY,
  };
  const list = await directory(craft.leaf?.(leaf) ?? leaf);
  const body = utf8ToBytes(`age-encryption.org/v1\nof ${startMs} ${craft.head?.seq ?? 1}`);
  const startTime = formatTimestamp(BigInt(startMs) * 1_000_000n);
  const line =
    craft.line === undefined ? signed(secrets, craft, { path, body, list, startTime }) : craft.line;
  const file = async (name: string, bytes: Uint8Array): Promise<Json> => ({
    name,
    type: "f",
    mode: "0600",
    size: bytes.length,
    mtime: startTime,
    obj: await store(bytes, ""),
  });
  const root: Json = {
    stream: "kopia:directory",
    entries: [
      { name: "contents", type: "d", mode: "0700", mtime: startTime, obj: list, summ: SUMMARY },
      ...(line === null ? [] : [await file("head.json", utf8ToBytes(line))]),
      await file("snapshot.age", body),
    ],
    summary: SUMMARY,
  };
  const obj = await directory(craft.root?.(root) ?? root);
  const manifest: Json = {
    id: "",
    source: { host, userName, path },
    description: "",
    startTime,
    endTime: formatTimestamp(BigInt(endMs) * 1_000_000n),
    rootEntry: { name: "sealed", type: "d", mode: "0700", mtime: startTime, obj, summ: SUMMARY },
  };
  const labels = { type: "snapshot", username: userName, hostname: host, path };
  await manifests.put(craft.labels ?? labels, craft.manifest?.(manifest) ?? manifest);
  return line ?? "";
}

/** What the next head of the chain names. */
export function lineHash(line: string): string {
  return bytesToHex(engine.sha256(utf8ToBytes(line)));
}

function signed(
  { account, device, keyringVersion }: DeviceSecrets,
  { head, seed }: Craft,
  parts: {
    readonly path: string;
    readonly body: Uint8Array;
    readonly list: ContentRef;
    readonly startTime: string;
  },
): string {
  const seconds = parseTimestamp(parts.startTime) / 1_000_000_000n;
  return signHead(seed ?? device.seed, {
    source: `${account}:${parts.path}`,
    device: device.id,
    cert: device.certificate,
    seq: 1,
    prev: "",
    body: bytesToHex(engine.sha256(parts.body)),
    contents: parts.list,
    start: formatTimestamp(seconds * 1_000_000_000n),
    keyring: keyringVersion,
    group: "",
    epoch: 0,
    seen: {},
    ...head,
  });
}
