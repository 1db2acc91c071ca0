/** A merged policy as a table: what, value, where it is defined. Reference: kopia cli/command_policy_show.go. */
import { formatDuration } from "../../bytes/index.ts";
import {
  formatPolicyTarget,
  type Policy,
  type PolicyOrigins,
  type PolicyTarget,
} from "../../snapshot/index.ts";
import { formatBytes } from "../output/units.ts";
import { actionRows } from "./policy-action-rows.ts";
import { type PolicyRow, row } from "./policy-row.ts";

const GAP = "   ";
const NS_PER_S = 1_000_000_000n;
const SHADOW_COPY_MODES = ["never", "always", "when-available"];

/** Rows in columns, without a final newline. `origins` are of the levels that the policy was merged from. */
export function policyTable(policy: Policy, target: PolicyTarget, origins: PolicyOrigins): string {
  const view = new PolicyView(policy, target, origins);
  const sections = [
    view.retention(),
    view.files(),
    view.errorHandling(),
    view.scheduling(),
    view.upload(),
    view.compression(),
    view.metadataCompression(),
    view.splitter(),
    actionRows(policy.actions, (field) => view.origin(field)),
    view.osSnapshots(),
    view.logging(),
  ];
  return aligned(sections.flatMap((rows, index) => (index === 0 ? rows : [row(), ...rows])));
}

function aligned(rows: readonly PolicyRow[]): string {
  const widths = rows.map(({ name, value }) => (value === "" ? 0 : `${name}${GAP}${value}`.length));
  const width = Math.max(0, ...widths);
  return rows
    .map(({ name, value, origin }) => {
      if (value === "" && origin === "") return name;
      const cells = name + " ".repeat(Math.max(0, width - name.length - value.length)) + value;
      return origin === "" ? cells : cells + GAP + origin;
    })
    .join("\n");
}

class PolicyView {
  readonly #policy: Policy;
  readonly #target: string;
  readonly #origins: PolicyOrigins;

  constructor(policy: Policy, target: PolicyTarget, origins: PolicyOrigins) {
    this.#policy = policy;
    this.#target = formatPolicyTarget(target);
    this.#origins = origins;
  }

  origin(field: string): string {
    const target = this.#origins.get(field);
    const name = target === undefined ? "(global)" : formatPolicyTarget(target);
    return name === this.#target ? "(defined for this target)" : `inherited from ${name}`;
  }

  retention(): readonly PolicyRow[] {
    const { retention } = this.#policy;
    return [
      row("Retention:"),
      this.#number("  Annual snapshots:", "retention.keepAnnual", retention.keepAnnual),
      this.#number("  Monthly snapshots:", "retention.keepMonthly", retention.keepMonthly),
      this.#number("  Weekly snapshots:", "retention.keepWeekly", retention.keepWeekly),
      this.#number("  Daily snapshots:", "retention.keepDaily", retention.keepDaily),
      this.#number("  Hourly snapshots:", "retention.keepHourly", retention.keepHourly),
      this.#number("  Latest snapshots:", "retention.keepLatest", retention.keepLatest),
      this.#row(
        "  Ignore identical snapshots:",
        "retention.ignoreIdenticalSnapshots",
        retention.ignoreIdenticalSnapshots ?? false,
      ),
    ];
  }

  files(): readonly PolicyRow[] {
    const { ignoreCacheDirs, ignore, ignoreDotFiles, maxFileSize, oneFileSystem } =
      this.#policy.files;
    const rules = this.#list("  Ignore rules:", "files.ignore", ignore);
    return [
      row("Files policy:"),
      this.#row("  Ignore cache directories:", "files.ignoreCacheDirs", ignoreCacheDirs ?? true),
      ...(rules.length === 0 ? [row("  No ignore rules:")] : rules),
      ...this.#list("  Read ignore rules from files:", "files.ignoreDotFiles", ignoreDotFiles),
      ...((maxFileSize ?? 0) > 0
        ? [this.#row("  Ignore files above:", "files.maxFileSize", formatBytes(maxFileSize ?? 0))]
        : []),
      this.#row("  Scan one filesystem only:", "files.oneFileSystem", oneFileSystem ?? false),
    ];
  }

  errorHandling(): readonly PolicyRow[] {
    const { ignoreFileErrors, ignoreDirectoryErrors, ignoreUnknownTypes } =
      this.#policy.errorHandling;
    return [
      row("Error handling policy:"),
      this.#row(
        "  Ignore file read errors:",
        "errorHandling.ignoreFileErrors",
        ignoreFileErrors ?? false,
      ),
      this.#row(
        "  Ignore directory read errors:",
        "errorHandling.ignoreDirectoryErrors",
        ignoreDirectoryErrors ?? false,
      ),
      this.#row(
        "  Ignore unknown types:",
        "errorHandling.ignoreUnknownTypes",
        ignoreUnknownTypes ?? true,
      ),
    ];
  }

  scheduling(): readonly PolicyRow[] {
    const {
      intervalSeconds = 0,
      timeOfDay = [],
      cron = [],
      manual,
      runMissed,
    } = this.#policy.scheduling;
    const rows: PolicyRow[] = [];
    if (intervalSeconds !== 0) {
      const interval = formatDuration(BigInt(intervalSeconds) * NS_PER_S);
      rows.push(this.#row("    Snapshot interval:", "scheduling.intervalSeconds", interval));
    }
    if (timeOfDay.length > 0) {
      const times = timeOfDay.map(({ hour, min }) => `${hour}:${String(min).padStart(2, "0")}`);
      rows.push(
        this.#row("  Run missed snapshots:", "scheduling.runMissed", runMissed ?? false),
        ...this.#list("  Snapshot times:", "scheduling.timeOfDay", times),
      );
    }
    rows.push(...this.#list("  Crontab expressions:", "scheduling.cron", cron));
    return [
      row("Scheduling policy:"),
      row("  Scheduled snapshots:"),
      ...(rows.length === 0 ? [row("    None.")] : rows),
      this.#row("  Manual snapshot:", "scheduling.manual", manual ?? false),
    ];
  }

  upload(): readonly PolicyRow[] {
    const { maxParallelSnapshots, maxParallelFileReads, parallelUploadAboveSize } =
      this.#policy.upload;
    const above =
      parallelUploadAboveSize === undefined ? "-" : formatBytes(parallelUploadAboveSize);
    return [
      row("Uploads:"),
      this.#number(
        "  Max parallel snapshots (server/UI):",
        "upload.maxParallelSnapshots",
        maxParallelSnapshots,
      ),
      this.#number(
        "  Max parallel file reads:",
        "upload.maxParallelFileReads",
        maxParallelFileReads,
      ),
      this.#row("  Parallel upload above size:", "upload.parallelUploadAboveSize", above),
    ];
  }

  compression(): readonly PolicyRow[] {
    const { compressorName = "", onlyCompress = [], neverCompress = [] } = this.#policy.compression;
    if (compressorName === "" || compressorName === "none") return [row("Compression disabled.")];
    const rows = [
      row("Compression:"),
      this.#row("  Compressor:", "compression.compressorName", compressorName),
    ];
    if (onlyCompress.length > 0) {
      const label = "  Only compress files with the following extensions:";
      rows.push(...this.#list(label, "compression.onlyCompress", onlyCompress, "     - "));
    } else if (neverCompress.length > 0) {
      const label = "  Compress all files except the following extensions:";
      rows.push(...this.#list(label, "compression.neverCompress", neverCompress));
    } else rows.push(row("  Compress files regardless of extensions."));
    return [...rows, row(this.#compressedSizes())];
  }

  #compressedSizes(): string {
    const { minSize = 0, maxSize = 0 } = this.#policy.compression;
    if (maxSize > 0)
      return `  Only compress files between ${formatBytes(minSize)} and ${formatBytes(maxSize)}.`;
    return minSize > 0
      ? `  Only compress files bigger than ${formatBytes(minSize)}.`
      : "  Compress files of all sizes.";
  }

  metadataCompression(): readonly PolicyRow[] {
    const { compressorName = "" } = this.#policy.metadataCompression;
    if (compressorName === "" || compressorName === "none")
      return [row("Metadata compression disabled.")];
    return [
      row("Metadata compression:"),
      this.#row("  Compressor:", "metadataCompression.compressorName", compressorName),
    ];
  }

  splitter(): readonly PolicyRow[] {
    const { algorithm = "" } = this.#policy.splitter;
    const shown = algorithm === "" ? "(repository default)" : algorithm;
    return [row("Splitter:"), this.#row("  Algorithm override:", "splitter.algorithm", shown)];
  }

  osSnapshots(): readonly PolicyRow[] {
    const { enable = 0 } = this.#policy.osSnapshots.volumeShadowCopy;
    const mode = SHADOW_COPY_MODES[enable] ?? "never";
    return [
      row("OS-level snapshot support:"),
      this.#row("  Volume Shadow Copy:", "osSnapshots.volumeShadowCopy.enable", mode),
    ];
  }

  logging(): readonly PolicyRow[] {
    const { directories, entries } = this.#policy.logging;
    const level = (name: string, field: string, value: number | undefined): PolicyRow =>
      this.#row(name, `logging.${field}`, value ?? 0);
    return [
      row("Logging details (0-none, 10-maximum):"),
      level("  Directory snapshotted:", "directories.snapshotted", directories.snapshotted),
      level("  Directory ignored:", "directories.ignored", directories.ignored),
      level("  Entry snapshotted:", "entries.snapshotted", entries.snapshotted),
      level("  Entry ignored:", "entries.ignored", entries.ignored),
      level("  Entry cache hit:", "entries.cacheHit", entries.cacheHit),
      level("  Entry cache miss:", "entries.cacheMiss", entries.cacheMiss),
    ];
  }

  #row(name: string, field: string, value: string | number | boolean): PolicyRow {
    return row(name, String(value), this.origin(field));
  }

  #number(name: string, field: string, value: number | undefined): PolicyRow {
    return this.#row(name, field, value ?? "-");
  }

  /** A heading and an indented row for each; nothing for an empty list. */
  #list(
    name: string,
    field: string,
    values: readonly string[] = [],
    indent = "    ",
  ): readonly PolicyRow[] {
    if (values.length === 0) return [];
    return [row(name, "", this.origin(field)), ...values.map((value) => row(indent + value))];
  }
}
