/** `snapshot list`: snapshots by source, with the reasons for which they are kept. Reference: kopia cli/command_snapshot_list.go. */
import { relative } from "node:path";
import { parseTimestamp } from "../../bytes/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  compactPins,
  compactReasons,
  type DirEntry,
  effectivePolicy,
  formatSource,
  listDirectory,
  listSnapshots,
  parseSource,
  retentionReasons,
  type SnapshotManifest,
  snapshotToJson,
} from "../../snapshot/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { type FlagValues, flag, integer, refused, texts } from "../flags.ts";
import { JSON_FLAGS, JsonList } from "../output/json.ts";
import { formatMode } from "../output/mode.ts";
import { formatBytes } from "../output/units.ts";
import { parseTags } from "../shared/tags.ts";
import { usageError } from "../usage-error.ts";

const flags = {
  incomplete: flag("Include incomplete", { short: "i" }),
  humanReadable: flag("Show human-readable units", { default: true }),
  delta: flag("Include deltas", { short: "d" }),
  manifestId: flag("Include manifest item ID", { short: "m" }),
  retention: flag("Include retention reasons", { default: true }),
  mtime: flag("Include file mod time"),
  owner: flag("Include owner"),
  showIdentical: flag("Show identical snapshots", { short: "l" }),
  storageStats: refused("switch", "storage statistics of snapshots are not computed yet"),
  reverse: flag("Reverse sort order"),
  all: flag("Show all snapshots (not just current username/host)", { short: "a" }),
  maxResults: integer("Maximum number of entries per source", { short: "n" }),
  trash: flag("Show deleted snapshots that a server keeps for a while (see snapshot undelete)"),
  tags: texts("Tag filters to apply on the list items, as <key>:<value>", { placeholder: "TAG" }),
  ...JSON_FLAGS,
};
type Values = FlagValues<typeof flags>;

/** Snapshots of one source in the order shown, with the reasons for keeping each. */
interface Group {
  readonly snapshots: readonly SnapshotManifest[];
  readonly reasons: ReadonlyMap<SnapshotManifest, readonly string[]>;
}

interface Row {
  readonly firstNs: bigint;
  lastNs: bigint;
  count: number;
  readonly object: string;
  readonly details: readonly string[];
  reasons: readonly string[];
  pins: readonly string[];
}

export const command: Command = defineCommand({
  summary: "List snapshots of files and directories",
  flags,
  arguments: [{ name: "source", help: "File or directory to show history of" }],
  async run(context, values, args) {
    if (values.trash) {
      await listTrash(context, values, args);
      return 0;
    }
    const wanted = Object.entries(parseTags(values.tags));
    await using repository = await context.openRepository();
    const path =
      args[0] === undefined || args[0] === ""
        ? undefined
        : parseSource(args[0], repository.identity);
    const all = await listSnapshots(repository, { signal: context.signal });
    const matching = all.filter((snapshot) =>
      wanted.every(([key, value]) => snapshot.tags[`tag:${key}`] === value),
    );
    const found =
      path === undefined ? matching : matching.filter(({ source }) => holds(source, path));
    if (values.json) await listJson(context, repository, found, values);
    else await listText(context, repository, found, path?.path, values);
    return 0;
  },
});

async function listTrash(
  context: CommandContext,
  values: Values,
  args: readonly string[],
): Promise<void> {
  if (args.length > 0 || values.tags.length > 0)
    throw usageError("--trash shows all that is in the trash: leave the source and --tags away");
  const { withTrash } = await import("../shared/trash.ts");
  await withTrash(context, async (trash) => {
    const found = await trash.list();
    if (values.json) {
      const list = new JsonList(context.out, values);
      for (const one of found) list.add(one);
      list.end();
      return;
    }
    for (const { id, source, startTime, deletedAt, keptUntil } of found) {
      const [start, deleted] = [parseTimestamp(startTime), parseTimestamp(deletedAt)];
      const until =
        keptUntil === undefined ? "" : ` kept until ${context.time(parseTimestamp(keptUntil))}`;
      context.out.line(
        `${source} ${context.time(start)} manifest:${id} deleted ${context.time(deleted)}${until}`,
      );
    }
    if (found.length === 0) context.log.info("The trash is empty.");
  });
}

/** The same user and host, and the path itself or one above it. */
function holds(source: SnapshotManifest["source"], wanted: SnapshotManifest["source"]): boolean {
  if (source.username !== wanted.username || source.hostname !== wanted.hostname) return false;
  const path = source.path.endsWith("/") ? source.path : `${source.path}/`;
  return source.path === wanted.path || wanted.path.startsWith(path);
}

function bySource(
  snapshots: readonly SnapshotManifest[],
): readonly (readonly SnapshotManifest[])[] {
  const groups = Map.groupBy(snapshots, ({ source }) => formatSource(source));
  return [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

async function makeGroup(
  context: CommandContext,
  repository: Repository,
  snapshots: readonly SnapshotManifest[],
  values: Values,
): Promise<Group> {
  const source = snapshots[0]?.source;
  const ordered = values.reverse ? snapshots.toReversed() : snapshots;
  const count = values.maxResults ?? 0;
  const shown = count > 0 ? ordered.slice(-count) : ordered;
  if (source === undefined || !values.retention) return { snapshots: shown, reasons: new Map() };
  const policy = await effectivePolicy(repository.manifests, source, { signal: context.signal });
  const reasons = retentionReasons(snapshots, policy.retention);
  return {
    snapshots: shown,
    reasons: new Map(snapshots.map((snapshot, at) => [snapshot, reasons[at] ?? []])),
  };
}

async function listJson(
  context: CommandContext,
  repository: Repository,
  snapshots: readonly SnapshotManifest[],
  values: Values,
): Promise<void> {
  const list = new JsonList(context.out, values);
  for (const ofSource of bySource(snapshots)) {
    const group = await makeGroup(context, repository, ofSource, values);
    for (const snapshot of group.snapshots) {
      const reasons = group.reasons.get(snapshot) ?? [];
      list.add({
        ...snapshotToJson(snapshot, { withStats: true }),
        ...(reasons.length === 0 ? {} : { retentionReason: reasons }),
      });
    }
  }
  list.end();
}

async function listText(
  context: CommandContext,
  repository: Repository,
  snapshots: readonly SnapshotManifest[],
  path: string | undefined,
  values: Values,
): Promise<void> {
  const { username, hostname } = repository.identity;
  const mine = snapshots.filter(
    ({ source }) => values.all || (source.username === username && source.hostname === hostname),
  );
  for (const [at, ofSource] of bySource(mine).entries()) {
    const source = ofSource[0]?.source;
    if (source === undefined) continue;
    context.out.line(`${at === 0 ? "" : "\n"}${formatSource(source)}`);
    const group = await makeGroup(context, repository, ofSource, values);
    const below = path === undefined ? "" : relative(source.path, path);
    const rows = await makeRows(context, repository, group, below, values);
    for (const row of values.showIdentical ? rows : mergeIdentical(rows)) printRow(context, row);
  }
  if (mine.length === 0 && snapshots.length > 0) {
    context.log.info("No snapshots found. Pass --all to show snapshots from all users/hosts.\n");
  }
}

async function makeRows(
  context: CommandContext,
  repository: Repository,
  group: Group,
  below: string,
  values: Values,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let lastSize = 0;
  for (const snapshot of group.snapshots) {
    if (snapshot.incomplete !== undefined && !values.incomplete) continue;
    const entry = await entryBelow(repository, snapshot, below, context.signal);
    if (entry === undefined) {
      context.out.line(
        `  ${context.time(snapshot.startTimeNs)} <ERROR> ${below === "" ? "no root entry" : `there is no ${below}`}`,
      );
      continue;
    }
    rows.push({
      firstNs: snapshot.startTimeNs,
      lastNs: snapshot.startTimeNs,
      count: 1,
      object: entry.object,
      details: details(context, snapshot, entry, lastSize, values),
      reasons: group.reasons.get(snapshot) ?? [],
      pins: snapshot.pins,
    });
    if (snapshot.incomplete === undefined) lastSize = snapshot.stats.totalSize;
  }
  return rows;
}

async function entryBelow(
  repository: Repository,
  snapshot: SnapshotManifest,
  below: string,
  signal: AbortSignal,
): Promise<DirEntry | undefined> {
  let entry = snapshot.rootEntry;
  for (const name of below === "" ? [] : below.split("/")) {
    if (entry?.type !== "d") return undefined;
    const { entries } = await listDirectory(repository, entry.object, { signal });
    entry = entries.find((child) => child.name === name);
  }
  return entry;
}

function details(
  context: CommandContext,
  snapshot: SnapshotManifest,
  entry: DirEntry,
  lastSize: number,
  values: Values,
): readonly string[] {
  const summary = entry.type === "d" ? entry.summary : undefined;
  const bytes = summary?.sizeBytes ?? entry.sizeBytes;
  const growth = bytes - lastSize;
  const parts = [
    snapshot.incomplete === undefined ? undefined : `incomplete:${snapshot.incomplete}`,
    values.humanReadable ? formatBytes(bytes) : String(bytes),
    formatMode(entry.type, entry.mode),
    ...(values.owner ? [`uid:${entry.uid}`, `gid:${entry.gid}`] : []),
    values.mtime ? `modified:${context.time(summary?.maxTimeNs ?? entry.mtimeNs)}` : undefined,
    values.manifestId ? `manifest:${snapshot.id}` : undefined,
    values.delta ? (growth > 0 ? `(+${formatBytes(growth)})` : "") : undefined,
    ...(summary === undefined ? [] : [`files:${summary.files}`, `dirs:${summary.directories}`]),
    summary !== undefined && summary.failed > 0 ? `errors:${summary.failed}` : undefined,
  ];
  return parts.filter((part) => part !== undefined);
}

function mergeIdentical(rows: readonly Row[]): readonly Row[] {
  const merged: Row[] = [];
  for (const row of rows) {
    const last = merged.at(-1);
    if (last === undefined || last.object !== row.object) {
      merged.push({ ...row });
      continue;
    }
    last.count++;
    last.lastNs = row.lastNs;
    last.reasons = [...last.reasons, ...row.reasons];
    last.pins = [...last.pins, ...row.pins];
  }
  return merged.map((row) => ({
    ...row,
    reasons: compactReasons(row.reasons),
    pins: compactPins(row.pins),
  }));
}

function printRow(context: CommandContext, row: Row): void {
  const parts = [...row.details];
  if (row.reasons.length > 0) parts.push(`(${row.reasons.join(",")})`);
  if (row.pins.length > 0) parts.push(`pins:${row.pins.join(",")}`);
  context.out.line(`  ${context.time(row.firstNs)} ${row.object} ${parts.join(" ")}`);
  if (row.count > 1)
    context.out.line(`  + ${row.count - 1} identical snapshots until ${context.time(row.lastNs)}`);
}
