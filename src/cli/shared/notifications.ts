/**
 * What a client tells the server, which passes it on through its notification profiles: reports of snapshots and
 * failed commands, in Kopia's shape. SECURITY: messages, never stacks; nothing is sent in direct mode.
 * Reference: kopia notification/notifydata.
 */
import { formatTimestamp, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import type { Repository } from "../../repository/index.ts";
import type { RemoteRepository } from "../../rpc/client/index.ts";
import {
  type SnapshotManifest,
  type SnapshotSource,
  snapshotToJson,
} from "../../snapshot/index.ts";
import type { CommandContext } from "../context.ts";
import { describeFailure } from "../failure.ts";

const SEVERITY = { report: 0, warning: 10, error: 20 } as const;
const ARGUMENTS = { errorInfo: 2, multiSnapshotStatus: 3 } as const;
/** A command that has failed does not wait longer for its report. */
const ERROR_REPORT_MS = 15_000;

/** One source of a `snapshot create`. */
export interface SnapshotOutcome {
  readonly source: SnapshotSource;
  /** Absent: none was made. */
  readonly snapshot: SnapshotManifest | undefined;
  readonly failure: Error | undefined;
}

/** The repository when it is behind a server. */
export function serverOfRepository(repository: Repository): RemoteRepository | undefined {
  return "notify" in repository ? (repository as RemoteRepository) : undefined;
}

/** A report that cannot be sent is a line in the log: the snapshots are made. */
export async function sendSnapshotReport(
  context: CommandContext,
  repository: Repository,
  outcomes: readonly SnapshotOutcome[],
): Promise<void> {
  const server = serverOfRepository(repository);
  if (server === undefined || outcomes.length === 0) return;
  const snapshots = outcomes.map(({ source, snapshot, failure }) => ({
    manifest:
      snapshot === undefined
        ? { source: { host: source.hostname, userName: source.username, path: source.path } }
        : snapshotToJson(snapshot),
    previous: null,
    error: failure?.message ?? "",
  }));
  try {
    await server.notify({
      templateName: "snapshot-report",
      severity: reportSeverity(outcomes),
      eventArgsType: ARGUMENTS.multiSnapshotStatus,
      eventArgs: utf8ToBytes(JSON.stringify({ snapshots })),
    });
  } catch (error) {
    context.log.warn(`the snapshot report could not be sent: ${describeFailure(error).message}`);
  }
}

/** Tells the server that the command has failed, where `--error-notifications` wants it and a server was used. */
export async function sendErrorReport(
  context: CommandContext,
  error: unknown,
  startedMs: number,
): Promise<void> {
  if (!context.hasUsedServer || context.isCancelled(error) || !wantsErrorReport(context)) return;
  if (isSejfError(error, "SEJF_CONNECTION")) return;
  const time = (ms: number): string => formatTimestamp(BigInt(Math.floor(ms)) * 1_000_000n);
  const info = {
    operation: context.path,
    operationDetails: context.path,
    start: time(startedMs),
    end: time(context.clock.nowMs()),
    error: describeFailure(error).message,
    errorDetails: "",
  };
  try {
    const signal = AbortSignal.timeout(ERROR_REPORT_MS);
    await using server = await context.openServerRepository({ signal });
    await server.notify(
      {
        templateName: "generic-error",
        severity: SEVERITY.error,
        eventArgsType: ARGUMENTS.errorInfo,
        eventArgs: utf8ToBytes(JSON.stringify(info)),
      },
      { signal },
    );
  } catch (cause) {
    context.log.debug(`the error report could not be sent: ${describeFailure(cause).message}`);
  }
}

function wantsErrorReport({ globals }: CommandContext): boolean {
  if (globals.errorNotifications === "non-interactive") return process.stdout.isTTY !== true;
  return globals.errorNotifications === "always";
}

function reportSeverity(outcomes: readonly SnapshotOutcome[]): number {
  let severity: number = SEVERITY.report;
  for (const { snapshot, failure } of outcomes) {
    const summary = snapshot?.rootEntry?.summary;
    if (failure !== undefined || (summary?.failed ?? 0) > 0) return SEVERITY.error;
    if ((summary?.ignoredErrors ?? 0) > 0) severity = SEVERITY.warning;
  }
  return severity;
}
