/** Agreed signatures whose bodies follow file by file. */
import type { CallOptions, TimestampNs } from "../bytes/index.ts";
import type { CompressorId } from "../compress/index.ts";
import type { LocalName } from "../format/index.ts";
import type { ManifestId, ManifestStore } from "../manifest/index.ts";
import type { ObjectId } from "../object/index.ts";
import type { ClientIdentity, Repository } from "../repository/index.ts";
import type { DirEntry, Directory, SnapshotManifest, SnapshotSource } from "./types.ts";
import type { CreateSnapshotOptions, CreatedSnapshot } from "./create-types.ts";
import type { RestoreOptions, RestoreSummary } from "./restore-types.ts";
import type { Policy, PolicyTarget, StoredPolicy } from "./policy.ts";

// --- sources ---
/** `user@host:/path`, `@host:/path`…, or a local path of this client. @throws SEJF_INVALID_ARGUMENT. */
export declare function parseSource(text: string, identity: ClientIdentity): SnapshotSource;
export declare function formatSource(source: SnapshotSource): string;

// --- snapshots ---
/** Of one source, or all; oldest start first. */
export declare function listSnapshots(
  repository: Repository,
  options?: CallOptions & { readonly source?: Partial<SnapshotSource> | undefined },
): Promise<readonly SnapshotManifest[]>;
/** @throws SEJF_NOT_FOUND. */
export declare function loadSnapshot(
  repository: Repository,
  id: ManifestId,
  options?: CallOptions,
): Promise<SnapshotManifest>;
/** By manifest ID, else all whose root is this object. @throws SEJF_NOT_FOUND when there is none. */
export declare function findSnapshots(
  repository: Repository,
  text: string,
  options?: CallOptions,
): Promise<readonly SnapshotManifest[]>;
/** As a new item, pending until the repository is flushed; with `replaces` the old one is deleted (pins, description). */
export declare function saveSnapshot(
  repository: Repository,
  manifest: SnapshotManifest,
  options?: CallOptions & { readonly replaces?: ManifestId | undefined },
): Promise<SnapshotManifest>;
/** Only the manifest; contents go at maintenance. @throws SEJF_NOT_FOUND. */
export declare function deleteSnapshot(
  repository: Repository,
  id: ManifestId,
  options?: CallOptions,
): Promise<void>;
/** As Kopia stores and prints it, the real ID included; `stats` can be left out. */
export declare function snapshotToJson(
  manifest: SnapshotManifest,
  options?: { readonly withStats?: boolean | undefined },
): Record<string, unknown>;

// --- create ---
/** Reads a local tree into the repository and saves the snapshot; flushing is the caller's. */
export declare function createSnapshot(
  repository: Repository,
  source: SnapshotSource,
  options: CreateSnapshotOptions,
): Promise<CreatedSnapshot>;

// --- retention ---
/** Why each snapshot of one source is kept (`latest-1`, `daily-2`, `incomplete`), in the order given; none and no pin: expired. */
export declare function retentionReasons(
  snapshots: readonly Pick<SnapshotManifest, "startTimeNs" | "endTimeNs" | "incomplete">[],
  policy: Policy["retention"],
): readonly (readonly string[])[];
/** Snapshots of the source without a reason and without a pin; deletes their manifests unless `dryRun`. */
export declare function applyRetention(
  repository: Repository,
  source: SnapshotSource,
  options?: CallOptions & { readonly dryRun?: boolean | undefined },
): Promise<readonly SnapshotManifest[]>;

// --- policies ---
export declare function parsePolicyTarget(text: string, identity: ClientIdentity): PolicyTarget;
export declare function formatPolicyTarget(target: PolicyTarget): string;
/** What is stored for exactly this target; `undefined` when nothing is. */
export declare function getPolicy(
  manifests: ManifestStore,
  target: PolicyTarget,
  options?: CallOptions,
): Promise<StoredPolicy | undefined>;
export declare function listPolicies(
  manifests: ManifestStore,
  options?: CallOptions,
): Promise<readonly StoredPolicy[]>;
export declare function setPolicy(
  manifests: ManifestStore,
  target: PolicyTarget,
  policy: Policy,
  options?: CallOptions,
): Promise<ManifestId>;
export declare function removePolicy(
  manifests: ManifestStore,
  target: PolicyTarget,
  options?: CallOptions,
): Promise<boolean>;
/** Merged over path, its parents, user, host, global and the built-in defaults. */
export declare function effectivePolicy(
  manifests: ManifestStore,
  target: PolicyTarget,
  options?: CallOptions,
): Promise<Policy>;
/** JSON of a policy, every known member checked, unknown ones kept. `what` names it in errors. @throws SEJF_CORRUPT. */
export declare function decodePolicy(json: unknown, what: string): Policy;
/** As Kopia writes it: keys in its order, empty leaves left out. */
export declare function encodePolicy(policy: Policy): Record<string, unknown>;
export declare function compressorOfFile(
  policy: Policy,
  name: string,
  sizeBytes: number,
): CompressorId | undefined;

// --- reading ---
/** Bytes of a directory object. @throws SEJF_CORRUPT. */
export declare function decodeDirectory(bytes: Uint8Array): Directory;
export declare function encodeDirectory(directory: Directory): Uint8Array;
/** The entries of a directory object. @throws SEJF_NOT_FOUND (not a directory), SEJF_CORRUPT, SEJF_CONTENT_NOT_FOUND. */
export declare function listDirectory(
  repository: Repository,
  object: ObjectId,
  options?: CallOptions,
): Promise<Directory>;
export interface ResolvedObject {
  /** Name, type, attributes and object; of a bare object ID made up as Kopia does: directory 0555, file 0644. */
  readonly entry: DirEntry;
  /** The snapshot it was found in. */
  readonly snapshot: SnapshotManifest | undefined;
  /** Below the snapshot's root, empty for the root. */
  readonly path: string;
}
/** `<snapshot ID>[/path]`, `<object ID>[/path]`, or `[user@host:]/path`: the newest snapshot that holds it. @throws SEJF_NOT_FOUND. */
export declare function resolveObjectPath(
  repository: Repository,
  text: string,
  options?: CallOptions & { readonly notAfterNs?: TimestampNs | undefined },
): Promise<ResolvedObject>;
/** The tree below an entry, in pages, parents before children; the entry itself is not given. */
export declare function walkTree(
  repository: Repository,
  root: DirEntry,
  options?: CallOptions,
): AsyncIterable<readonly { readonly path: string; readonly entry: DirEntry }[]>;

// --- restore ---
/** A directory, file or symlink from a snapshot to `target`, which becomes it. Never writes outside of `target`. */
export declare function restoreTree(
  repository: Repository,
  entry: DirEntry,
  target: LocalName,
  options?: RestoreOptions,
): Promise<RestoreSummary>;
