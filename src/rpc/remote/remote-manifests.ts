/** Manifests behind a server: sent at once, durable after a flush. What the server answers is checked against what was asked. */
import { bytesToUtf8, type CallOptions, goJson, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError, SejfError } from "../../errors/index.ts";
import type {
  Labels,
  Manifest,
  ManifestId,
  ManifestMetadata,
  ManifestStore,
} from "../../manifest/index.ts";
import type { ManifestEntryMetadata } from "../wire/messages.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import type { UnflushedWrites } from "./unflushed.ts";

const PAGE_SIZE = 1000;

export class RemoteManifests implements ManifestStore {
  readonly #keeper: SessionKeeper;
  readonly #unflushed: UnflushedWrites;
  readonly #readOnly: boolean;

  constructor(keeper: SessionKeeper, unflushed: UnflushedWrites, readOnly: boolean) {
    this.#keeper = keeper;
    this.#unflushed = unflushed;
    this.#readOnly = readOnly;
  }

  async put(labels: Labels, data: unknown, options: CallOptions = {}): Promise<ManifestId> {
    this.#assertWritable();
    if (labels["type"] === undefined || labels["type"] === "")
      throw new SejfError("SEJF_INVALID_ARGUMENT", "a manifest needs a label `type`");
    const body = { labels, jsonData: utf8ToBytes(goJson(data)) };
    const { manifestId } = await this.#unflushed.change(
      async (session) => await session.request("putManifest", body, options),
      options,
    );
    return checkedId(manifestId);
  }

  async get(id: ManifestId, options: CallOptions = {}): Promise<Manifest> {
    const { jsonData, metadata } = await this.#keeper.retrying(
      async (session) => await session.request("getManifest", { manifestId: id }, options),
      options,
    );
    if (metadata?.id !== id)
      throw new SejfError("SEJF_CORRUPT", `manifest ${id}: the server answers with another one`);
    const text = bytesToUtf8(jsonData);
    return { ...metadataOf(metadata), data: parseJson(text, id), text };
  }

  async find(labels: Labels, options: CallOptions = {}): Promise<readonly ManifestMetadata[]> {
    const found = await this.#keeper.retrying(
      async (session) => await session.findManifests({ labels, pageSize: PAGE_SIZE }, options),
      options,
    );
    const wanted = Object.entries(labels);
    for (const { id, labels: has } of found)
      if (!wanted.every(([key, value]) => Object.hasOwn(has, key) && has[key] === value))
        throw new SejfError(
          "SEJF_CORRUPT",
          `manifest ${JSON.stringify(id.slice(0, 80))} from the server does not have the labels that were searched for`,
        );
    return found
      .map(metadataOf)
      .toSorted((a, b) => (a.modified < b.modified ? -1 : a.modified > b.modified ? 1 : 0));
  }

  async delete(id: ManifestId, options: CallOptions = {}): Promise<void> {
    this.#assertWritable();
    try {
      await this.#unflushed.change(
        async (session) => await session.request("deleteManifest", { manifestId: id }, options),
        options,
      );
    } catch (error) {
      if (!isSejfError(error, "SEJF_MANIFEST_NOT_FOUND")) throw error;
    }
  }

  /** Nothing waits here: items were sent when they were put. */
  // oxlint-disable-next-line require-await -- the interface is asynchronous
  async flush(): Promise<void> {
    this.#unflushed.assertWhole();
  }

  #assertWritable(): void {
    if (this.#readOnly)
      throw new SejfError("SEJF_READ_ONLY", "the connection to the server is read-only");
  }
}

function metadataOf(entry: ManifestEntryMetadata): ManifestMetadata {
  return {
    id: checkedId(entry.id),
    lengthBytes: entry.length,
    labels: entry.labels,
    modified: entry.modTimeNanos,
  };
}

function checkedId(id: string): ManifestId {
  if (!/^[0-9a-f]{32}$/.test(id))
    throw new SejfError(
      "SEJF_CORRUPT",
      `the server names a manifest ${JSON.stringify(id.slice(0, 80))}, expected 32 hex digits`,
    );
  return id as ManifestId;
}

function parseJson(text: string, id: ManifestId): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SejfError("SEJF_CORRUPT", `manifest ${id} from the server is not JSON`, {
      cause: error,
    });
  }
}
