/**
 * The seam that everything above hangs on: contents, manifests, parameters, clock. Direct, remote and sealed
 * repositories implement it; the command line, mounts and the web know nothing else.
 */
import type { CallOptions, Clock } from "../bytes/index.ts";
import type { ContentStore } from "../format/index.ts";
import type { ManifestId, ManifestStore } from "../manifest/index.ts";

/** Who this client is: sources of snapshots, owner of maintenance. */
export interface ClientIdentity {
  readonly username: string;
  readonly hostname: string;
}

/** What writers above need to know of the format. */
export interface RepositoryParameters {
  /** Kopia's name: `BLAKE3-256`. */
  readonly hash: string;
  /** The default splitter. */
  readonly splitter: string;
  /** 1: file data is compressed before it is named (`Z` objects); contents with a prefix are never compressed. */
  readonly indexVersion: number;
  readonly formatVersion: number;
}

export interface Repository extends AsyncDisposable {
  readonly contents: ContentStore;
  readonly manifests: ManifestStore;
  readonly parameters: RepositoryParameters;
  readonly identity: ClientIdentity;
  readonly clock: Clock;
  readonly readOnly: boolean;
  readonly description: string;
  /** Manifests, packs, index: what was put before is durable and visible after. */
  flush(options?: CallOptions): Promise<void>;
  /** Sees what other clients have published. */
  refresh(options?: CallOptions): Promise<void>;
  /**
   * Only behind a server: it deletes, by its policies, what has expired of this identity's source at that path, and
   * gives the IDs; without `reallyDelete` it only says what it would. @throws SEJF_ACCESS_DENIED.
   */
  applyRetention?(
    sourcePath: string,
    reallyDelete: boolean,
    options?: CallOptions,
  ): Promise<readonly ManifestId[]>;
  /**
   * Only where the server itself changes the pins of a snapshot: at once, and gives the ID that it has from then on.
   * `pins` are all of them. @throws SEJF_ACCESS_DENIED.
   */
  changePins?(id: ManifestId, pins: readonly string[], options?: CallOptions): Promise<ManifestId>;
}
