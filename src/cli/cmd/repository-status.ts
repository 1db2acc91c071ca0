/** `repository status`: who can read and delete the data, and what the repository is like. */
import type { BlobMetadata, ConnectionInfo } from "../../blob/index.ts";
import { bytesToHex, formatDuration } from "../../bytes/index.ts";
import { errorFromUnknown } from "../../errors/index.ts";
import {
  EPOCH_STATE_PREFIXES,
  type RepositoryFormat,
  resolveEpochs,
  upgradeLockState,
} from "../../format/index.ts";
import {
  clientOptionsJson,
  type Connection,
  loadConfig,
  sealedAccountOf,
  serverOf,
} from "../../repository/index.ts";
import { type Command, defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { flag } from "../flags.ts";
import { JSON_FLAGS, jsonText } from "../output/json.ts";
import { formatBytes } from "../output/units.ts";
import { showToken, tellClient, tellServerStatus } from "../shared/client-status.ts";
import { withoutSecrets } from "../shared/secrets.ts";

const INDENT = " ".repeat(21);

export const command: Command = defineCommand({
  summary: "Display the status of connected repository",
  flags: {
    reconnectToken: flag("Display reconnect command", { short: "t" }),
    reconnectTokenWithPassword: flag("Include password in reconnect token", { short: "s" }),
    ...JSON_FLAGS,
  },
  async run(context, flags) {
    const config = await loadConfig(context.configFile, context.env);
    if (sealedAccountOf(config) !== undefined) {
      const { tellSealedStatus } = await import("../shared/sealed-status.ts");
      await tellSealedStatus(context, flags);
      return 0;
    }
    const server = serverOf(config, context.configFile);
    if (server !== undefined) {
      await tellServerStatus(context, config, server, flags);
      return 0;
    }
    await using connection = await context.openConnection();
    if (flags.json) {
      context.out.line(jsonText(await statusJson(connection), flags));
      return 0;
    }
    tellTrust(context, connection);
    await tellAccounts(context);
    tellClient(context, connection.config);
    await tellStorage(context, connection);
    tellFormat(context, connection);
    await tellEpochs(context, connection);
    tellLocks(context, connection);
    if (flags.reconnectToken)
      await tellToken(context, connection, flags.reconnectTokenWithPassword);
    return 0;
  },
});

async function statusJson(connection: Connection): Promise<Record<string, unknown>> {
  const { access, config, storage } = connection;
  const { format } = access;
  const capacity = await storage.capacity?.();
  const { retentionMode, retentionPeriodNs } = access.blobConfig;
  return {
    configFile: connection.configFile,
    uniqueIDHex: bytesToHex(access.uniqueId),
    clientOptions: clientOptionsJson(config.client),
    storage: storageWithoutSecrets(storage.connectionInfo),
    ...(capacity === undefined
      ? {}
      : { volume: { capacity: capacity.totalBytes, available: capacity.freeBytes } }),
    contentFormat: formatJson(format),
    objectFormat: { splitter: format.splitter },
    blobRetention:
      retentionMode === "" ? {} : { retentionMode, retentionPeriod: Number(retentionPeriodNs) },
  };
}

/** Kopia's members in its order; the secrets are left out. */
function formatJson(format: RepositoryFormat): Record<string, unknown> {
  const epochs = format.epochParameters;
  return {
    hash: format.hash,
    encryption: format.encryption,
    ...(format.ecc === ""
      ? {}
      : { ecc: format.ecc, eccOverheadPercent: format.eccOverheadPercent }),
    version: format.version,
    maxPackSize: format.maxPackSize,
    indexVersion: format.indexVersion,
    epochParameters: {
      Enabled: epochs.enabled,
      EpochRefreshFrequency: Number(epochs.refreshFrequencyNs),
      FullCheckpointFrequency: epochs.fullCheckpointFrequency,
      CleanupSafetyMargin: Number(epochs.cleanupSafetyMarginNs),
      MinEpochDuration: Number(epochs.minEpochDurationNs),
      EpochAdvanceOnCountThreshold: epochs.advanceOnCount,
      EpochAdvanceOnTotalSizeBytesThreshold: epochs.advanceOnTotalSizeBytes,
      DeleteParallelism: epochs.deleteParallelism,
    },
    enablePasswordChange: format.enablePasswordChange,
  };
}

function tellTrust(context: CommandContext, { access, storage }: Connection): void {
  context.out.line("Who can read:        everybody who has the repository password");
  const retention = access.retention;
  const place = storage.displayName;
  if (retention === undefined) {
    context.out.line(
      `Who can delete:      everybody who can write to ${place}, with or without the password`,
    );
  } else {
    context.out.line(
      `Who can delete:      everybody who can write to ${place}, once ${formatDuration(retention.periodNs)} of retention (${retention.mode}) are over`,
    );
  }
  context.out.line();
}

/** Accounts that a server lets in, when there are any. What is wrong with them is another command's to say. */
async function tellAccounts(context: CommandContext): Promise<void> {
  const { out, clock, random } = context;
  const { describeAccounts, SEEN_OF_SEALED } = await import("../../server/index.ts");
  let lines: readonly string[];
  try {
    await using repository = await context.openDirectRepository();
    lines = await describeAccounts(repository, clock, random);
  } catch (error) {
    context.signal.throwIfAborted();
    lines = [errorFromUnknown(error, "reading the accounts").message];
  }
  if (lines.length === 0) return;
  out.line("Accounts of a server on this repository, and who reads what they store:");
  for (const line of lines) out.line(`  ${line}`);
  if (lines.some((line) => line.includes(" is sealed: ")))
    out.line(`Of sealed accounts this repository shows: ${SEEN_OF_SEALED}`);
  out.line();
}

async function tellStorage(context: CommandContext, { storage }: Connection): Promise<void> {
  const { out } = context;
  const info = storageWithoutSecrets(storage.connectionInfo);
  out.line();
  out.line(`Storage type:        ${info.type}`);
  const capacity = await storage.capacity?.({ signal: context.signal });
  if (capacity === undefined) {
    out.line("Storage capacity:    unbounded");
  } else {
    out.line(`Storage capacity:    ${formatBytes(capacity.totalBytes)}`);
    out.line(`Storage available:   ${formatBytes(capacity.freeBytes)}`);
  }
  out.line(
    `Storage config:      ${jsonText(info.config, { json: true, jsonIndent: true }, INDENT)}`,
  );
}

function tellFormat(context: CommandContext, { access }: Connection): void {
  const { out } = context;
  const { format } = access;
  out.line();
  out.line(`Unique ID:           ${bytesToHex(access.uniqueId)}`);
  out.line(`Hash:                ${format.hash}`);
  out.line(`Encryption:          ${format.encryption}`);
  if (format.ecc !== "")
    out.line(`Error correction:    ${format.ecc} with ${format.eccOverheadPercent}% overhead`);
  out.line(`Splitter:            ${format.splitter}`);
  out.line(`Format version:      ${format.version}`);
  out.line(`Content compression: ${format.indexVersion >= 2}`);
  out.line(`Password changes:    ${format.enablePasswordChange}`);
  const features = format.requiredFeatures.map(({ feature }) => feature);
  if (features.length > 0) out.line(`Required Features:   ${features.join(" ")}`);
  out.line(`Max pack length:     ${formatBytes(format.maxPackSize)}`);
  out.line(`Index Format:        v${format.indexVersion}`);
}

async function tellEpochs(context: CommandContext, { access, storage }: Connection): Promise<void> {
  const { out } = context;
  const epochs = access.format.epochParameters;
  if (!epochs.enabled) {
    out.line("Epoch Manager:       disabled");
    return;
  }
  const listing: BlobMetadata[] = [];
  for (const prefix of EPOCH_STATE_PREFIXES) {
    for await (const page of storage.list(prefix, { signal: context.signal }))
      listing.push(...page);
  }
  out.line();
  out.line("Epoch Manager:       enabled");
  out.line(`Current Epoch: ${resolveEpochs(listing).writeEpoch}`);
  out.line();
  out.line(`Epoch refresh frequency: ${formatDuration(epochs.refreshFrequencyNs)}`);
  out.line(
    `Epoch advance on:        ${epochs.advanceOnCount} blobs or ${formatBytes(epochs.advanceOnTotalSizeBytes)}, minimum ${formatDuration(epochs.minEpochDurationNs)}`,
  );
  out.line(`Epoch cleanup margin:    ${formatDuration(epochs.cleanupSafetyMarginNs)}`);
  out.line(`Epoch range-compaction every: ${epochs.fullCheckpointFrequency} epochs`);
}

function tellLocks(context: CommandContext, { access, clock }: Connection): void {
  const { out } = context;
  const { retentionMode, retentionPeriodNs } = access.blobConfig;
  if (retentionMode !== "") {
    out.line();
    out.line(`Blob retention mode:     ${retentionMode}`);
    out.line(`Blob retention period:   ${formatDuration(retentionPeriodNs)}`);
  }
  const lock = access.format.upgradeLock;
  if (lock === undefined) return;
  const state = upgradeLockState(lock, BigInt(Math.floor(clock.nowMs())) * 1_000_000n);
  out.line();
  out.line(`Ongoing upgrade:     ${lock.message}`);
  out.line(`Upgrade Time:        ${context.time(lock.creationTime + lock.advanceNoticeNs)}`);
  out.line(`Upgrade Owner:       ${lock.ownerId}`);
  out.line(`Upgrade lock:        ${state.locked ? "Locked" : "Unlocked"}`);
  out.line(`Lock status:         ${state.writersDrained ? "Fully Established" : "Draining"}`);
}

async function tellToken(
  context: CommandContext,
  connection: Connection,
  withPassword: boolean,
): Promise<void> {
  const password = withPassword ? await context.password() : undefined;
  showToken(context, { storage: connection.storage.connectionInfo, password });
}

function storageWithoutSecrets(info: ConnectionInfo): ConnectionInfo {
  return { type: info.type, config: withoutSecrets(info.config) };
}
