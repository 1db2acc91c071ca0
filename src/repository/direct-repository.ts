/** A repository worked on without a server: `Repository`, and what only the holder of the storage can do. */
import type { BlobStorage } from "../blob/index.ts";
import type { CallOptions, Clock } from "../bytes/index.ts";
import type { DirectContents } from "../content/index.ts";
import type { CompactingManifestStore } from "../manifest/index.ts";
import type { Connection } from "./connection.ts";
import type { FormatAccess } from "./format-access.ts";
import type { ClientIdentity, Repository, RepositoryParameters } from "./types.ts";

export class DirectRepository implements Repository {
  readonly connection: Connection;
  readonly contents: DirectContents;
  readonly manifests: CompactingManifestStore;

  /** Owns all three; disposing the repository disposes them. */
  constructor(
    connection: Connection,
    contents: DirectContents,
    manifests: CompactingManifestStore,
  ) {
    this.connection = connection;
    this.contents = contents;
    this.manifests = manifests;
  }

  get storage(): BlobStorage {
    return this.connection.storage;
  }

  get access(): FormatAccess {
    return this.connection.access;
  }

  get parameters(): RepositoryParameters {
    const { hash, splitter, indexVersion, version } = this.access.format;
    return { hash, splitter, indexVersion, formatVersion: version };
  }

  get identity(): ClientIdentity {
    const { username, hostname } = this.connection.config.client;
    return { username, hostname };
  }

  get clock(): Clock {
    return this.connection.clock;
  }

  get readOnly(): boolean {
    return this.connection.config.client.readOnly;
  }

  get description(): string {
    return this.connection.config.client.description;
  }

  async flush(options?: CallOptions): Promise<void> {
    await this.manifests.flush(options);
    await this.contents.flush(options);
  }

  async refresh(options?: CallOptions): Promise<void> {
    await this.contents.refresh(options);
    this.manifests.invalidate();
  }

  /** Flushes nothing: what was not flushed is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.contents[Symbol.asyncDispose]();
    } finally {
      await this.connection[Symbol.asyncDispose]();
    }
  }
}
