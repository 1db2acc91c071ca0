/** The heads of an account's stored snapshots: where each device's chain ends. Read once each, for they never change. */
import { LRUCache } from "lru-cache";
import { bytesToHex, bytesToUtf8, type CallOptions, utf8ToBytes } from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import { type ContentId, type ContentReader, type ContentRef } from "../../format/index.ts";
import type { ManifestId, ManifestMetadata, ManifestStore } from "../../manifest/index.ts";
import { JsonShape, type ServedHead } from "../../sealed/index.ts";
import { parsePayload, readUnverified } from "../../sealed/index.ts";
import { decodeSnapshot } from "../../snapshot/index.ts";
import type { Account } from "../types.ts";
import {
  decodeOuterRoot,
  MAX_DIRECTORY_BYTES,
  MAX_HEAD_BYTES,
  type OuterRoot,
} from "./outer-shape.ts";

/** The end of a chain as it is stored. */
export interface StoredHead {
  readonly device: string;
  readonly seq: number;
  /** Hex of SHA-256 over the line. */
  readonly sha256: string;
}

interface KnownHead extends StoredHead {
  /** Stored again long after it was made: its pins were changed, or it came back from the trash. Older ones may be newer. */
  readonly isAgain: boolean;
}

export interface StoredHeadsOptions {
  readonly contents: Pick<ContentReader, "read" | "stat">;
  readonly manifests: Pick<ManifestStore, "find" | "get">;
  readonly engine: CryptoEngine;
}

const SEALED_PATH = /^\/sealed\/[a-z2-7]{20}$/;
const MAX_REMEMBERED = 100_000;
/** Of one source: who made none of its last snapshots is not told of. */
const MAX_LOOKED_AT = 1000;
const LABEL = "sejf head v1";
const LATE_NS = 3600n * 1_000_000_000n;

export class StoredHeads {
  readonly #options: StoredHeadsOptions;
  /** `false`: there is none, or it cannot be read. */
  readonly #known = new LRUCache<ManifestId, KnownHead | false>({ max: MAX_REMEMBERED });

  constructor(options: StoredHeadsOptions) {
    this.#options = options;
  }

  /** The newest of this device's in the source. */
  async newest(
    { username, hostname }: Account,
    path: string,
    device: string,
    options: CallOptions = {},
  ): Promise<StoredHead | undefined> {
    const labels = { type: "snapshot", username, hostname, path };
    const found = await this.#options.manifests.find(labels, options);
    let newest: StoredHead | undefined;
    for (const item of found.toReversed()) {
      const head = await this.#head(item, options);
      if (head?.device !== device) continue;
      if (newest === undefined || head.seq > newest.seq) newest = head;
      if (!head.isAgain) break;
    }
    return newest;
  }

  /** Of every source the newest of each device, as stored. */
  async all(
    { username, hostname }: Account,
    options: CallOptions = {},
  ): Promise<readonly ServedHead[]> {
    const labels = { type: "snapshot", username, hostname };
    const found = await this.#options.manifests.find(labels, options);
    const sealed = found.filter((one) => SEALED_PATH.test(one.labels["path"] ?? ""));
    const heads: ServedHead[] = [];
    for (const [path, snapshots] of Map.groupBy(sealed, (one) => one.labels["path"] as string)) {
      const source = `${username}@${hostname}:${path}`;
      for (const { id } of await this.#newestOfEach(snapshots, options)) {
        const head = await this.#line(id, options);
        if (head !== undefined) heads.push({ manifestId: id, source, head });
      }
    }
    return heads;
  }

  /** The root directory of a snapshot. @throws SEJF_INVALID_ARGUMENT, SEJF_CONTENT_NOT_FOUND. */
  async root(id: ContentId, options: CallOptions = {}): Promise<OuterRoot> {
    return decodeOuterRoot(await this.read(id, MAX_DIRECTORY_BYTES, options));
  }

  /** @throws SEJF_INVALID_ARGUMENT for more bytes than any has; SEJF_CONTENT_NOT_FOUND. */
  async read(id: ContentId, maxBytes: number, options: CallOptions = {}): Promise<Uint8Array> {
    const ref = id as string as ContentRef;
    const { contents } = this.#options;
    const length = (await contents.stat(ref, options))?.originalLength;
    if (length !== undefined && length > maxBytes)
      throw new SejfError(
        "SEJF_INVALID_ARGUMENT",
        `this is no sealed snapshot: ${id} has ${length} bytes`,
      );
    return await contents.read(ref, options);
  }

  async #newestOfEach(
    snapshots: readonly ManifestMetadata[],
    options: CallOptions,
  ): Promise<readonly { readonly id: ManifestId }[]> {
    const devices = new Map<string, { readonly id: ManifestId; readonly seq: number }>();
    for (const item of snapshots.slice(-MAX_LOOKED_AT).toReversed()) {
      const head = await this.#head(item, options);
      if (head === undefined) continue;
      const { device, seq } = head;
      if (seq > (devices.get(device)?.seq ?? 0)) devices.set(device, { id: item.id, seq });
    }
    return [...devices.values()];
  }

  async #head(
    { id, modified }: ManifestMetadata,
    options: CallOptions,
  ): Promise<KnownHead | undefined> {
    const known = this.#known.get(id);
    if (known !== undefined) return known === false ? undefined : known;
    const line = await this.#line(id, options);
    const place = line === undefined ? undefined : this.#place(line);
    if (place === undefined) {
      this.#known.set(id, false);
      return undefined;
    }
    const { endTimeNs } = decodeSnapshot(id, (await this.#options.manifests.get(id, options)).data);
    const head = { ...place, isAgain: modified > endTimeNs + LATE_NS };
    this.#known.set(id, head);
    return head;
  }

  /** Whoever stored it was asked for its signature; here only its place counts. */
  #place(line: string): StoredHead | undefined {
    try {
      const shape = new JsonShape(
        "a snapshot head",
        parsePayload(LABEL, readUnverified(LABEL, line)),
      );
      const sha256 = bytesToHex(this.#options.engine.sha256(utf8ToBytes(line)));
      return { device: shape.hex("device", 8), seq: shape.integer("seq"), sha256 };
    } catch (error) {
      if (!isSejfError(error, "SEJF_CORRUPT")) throw error;
      return undefined;
    }
  }

  /** `undefined` for a checkpoint, and for a snapshot that cannot be read. */
  async #line(id: ManifestId, options: CallOptions): Promise<string | undefined> {
    try {
      const { data } = await this.#options.manifests.get(id, options);
      const { rootEntry } = decodeSnapshot(id, data);
      if (rootEntry === undefined) return undefined;
      const { head } = await this.root(rootEntry.object as string as ContentId, options);
      if (head === undefined) return undefined;
      return bytesToUtf8(await this.read(head, MAX_HEAD_BYTES, options));
    } catch (error) {
      const isBroken =
        isSejfError(error) && error.code !== "SEJF_IO" && error.code !== "SEJF_CONNECTION";
      if (!isBroken) throw error;
      return undefined;
    }
  }
}
