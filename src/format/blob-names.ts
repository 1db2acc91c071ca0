/** Names of the blobs of a repository, and what each kind of name means. Spec: kopia-format 1.2. */
import { type BlobId, toBlobId } from "../blob/index.ts";

/** The format blob: without it and a copy the repository is lost. */
export const FORMAT_BLOB_ID: BlobId = toBlobId("kopia.repository");
export const BLOB_CONFIG_BLOB_ID: BlobId = toBlobId("kopia.blobcfg");
export const MAINTENANCE_BLOB_ID: BlobId = toBlobId("kopia.maintenance");
/** Where the format blob is kept when an upgrade begins; the owner's ID follows. */
export const FORMAT_BACKUP_PREFIX = "kopia.repository.backup.";
/** Makes clients that do not know epochs fail to open an upgraded repository. */
export const POISON_BLOB_ID: BlobId = toBlobId(
  "n00000000000000000000000000000000-repository_unreadable_by_this_kopia_version_upgrade_required",
);

/** Packs of contents without and with a prefix letter. */
export const DATA_PACK_PREFIX = "p";
export const METADATA_PACK_PREFIX = "q";
/** Uncompacted indexes, sets of one epoch, sets of a range, epoch markers, watermarks. */
export const UNCOMPACTED_INDEX_PREFIX = "xn";
export const SINGLE_EPOCH_INDEX_PREFIX = "xs";
export const RANGE_INDEX_PREFIX = "xr";
export const EPOCH_MARKER_PREFIX = "xe";
export const WATERMARK_PREFIX = "xw";
/** Indexes, compaction logs and cleanup schedules where there are no epochs. */
export const OLD_INDEX_PREFIX = "n";
export const COMPACTION_LOG_PREFIX = "m";
export const CLEANUP_SCHEDULE_PREFIX = "l";
export const SESSION_PREFIX = "s";
export const LOG_PREFIX = "_log_";

export type BlobKind =
  | "format"
  | "blob-config"
  | "format-backup"
  | "maintenance"
  | "data-pack"
  | "metadata-pack"
  | "uncompacted-index"
  | "single-epoch-index"
  | "range-index"
  | "epoch-marker"
  | "watermark"
  | "old-index"
  | "compaction-log"
  | "cleanup-schedule"
  | "session"
  | "log"
  | "unknown";

/** Longer prefixes before those they begin with. */
const KINDS: readonly (readonly [prefix: string, kind: BlobKind])[] = [
  [FORMAT_BACKUP_PREFIX, "format-backup"],
  [LOG_PREFIX, "log"],
  [UNCOMPACTED_INDEX_PREFIX, "uncompacted-index"],
  [SINGLE_EPOCH_INDEX_PREFIX, "single-epoch-index"],
  [RANGE_INDEX_PREFIX, "range-index"],
  [EPOCH_MARKER_PREFIX, "epoch-marker"],
  [WATERMARK_PREFIX, "watermark"],
  [DATA_PACK_PREFIX, "data-pack"],
  [METADATA_PACK_PREFIX, "metadata-pack"],
  [OLD_INDEX_PREFIX, "old-index"],
  [COMPACTION_LOG_PREFIX, "compaction-log"],
  [CLEANUP_SCHEDULE_PREFIX, "cleanup-schedule"],
  [SESSION_PREFIX, "session"],
];

const WHOLE_NAMES: Readonly<Record<string, BlobKind>> = {
  [FORMAT_BLOB_ID]: "format",
  [BLOB_CONFIG_BLOB_ID]: "blob-config",
  [MAINTENANCE_BLOB_ID]: "maintenance",
};

/** By the beginning of the name; leave `unknown` blobs alone, newer programs may have put them there. */
export function blobKind(id: BlobId): BlobKind {
  const whole = Object.hasOwn(WHOLE_NAMES, id) ? WHOLE_NAMES[id] : undefined;
  return whole ?? KINDS.find(([prefix]) => id.startsWith(prefix))?.[1] ?? "unknown";
}
