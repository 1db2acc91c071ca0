/** One snapshot of a source of the server's own: the task, the upload, retention, the flush, and who is told. */
import { errorFromUnknown } from "../../errors/index.ts";
import {
  applyRetention,
  createSnapshot,
  formatSource,
  type SnapshotManifest,
  type SnapshotSource,
} from "../../snapshot/index.ts";
import type { SnapshotRun } from "./local-source.ts";
import { withExactPolicies } from "./policy-view.ts";
import { rfc3339 } from "./texts.ts";
import type { TaskControl } from "./task-types.ts";
import type { JobsOptions } from "./types.ts";
import { UploadProgress } from "./upload-progress.ts";

/** Below so many files of a volume they are counted; above, the volume's own number is good enough. */
const ESTIMATION = { type: "adaptive", adaptiveThreshold: 300_000 } as const;

/** Rejects when no snapshot was made, or it is not durable. What was cancelled is saved as incomplete and resolves. */
export async function runSnapshotJob(
  options: JobsOptions,
  source: SnapshotSource,
  run: SnapshotRun,
): Promise<void> {
  const { repository, tasks, log, audit } = options;
  const name = formatSource(source);
  const startMs = repository.clock.nowMs();
  const description = `${name} at ${rfc3339(startMs)}`;
  const who = `${repository.identity.username}@${repository.identity.hostname}`;
  const record = (result: "ok" | "failed", detail?: string): void =>
    audit.record({
      action: "snapshot.create",
      who,
      from: "the server itself",
      result,
      target: name,
      detail,
    });
  let snapshot: SnapshotManifest | undefined;
  let failure: unknown;
  try {
    snapshot = await tasks.run("Snapshot", description, async (control) => {
      const progress = new UploadProgress(control);
      run.began(control.id, progress);
      return await upload(
        options,
        source,
        progress,
        AbortSignal.any([control.signal, run.signal]),
        control,
      );
    });
    log.info({ source: name, incomplete: snapshot?.incomplete }, "snapshot finished");
    record("ok", snapshot?.incomplete);
  } catch (error) {
    failure = error;
    const { message } = errorFromUnknown(error, name);
    log.error({ source: name }, `snapshot failed: ${message}`);
    record("failed", message);
    throw error;
  } finally {
    const endMs = repository.clock.nowMs();
    options.onSnapshot?.({ source, snapshot, startMs, endMs, error: failure });
  }
}

/**
 * `undefined`: identical with the one before, and the policy wants none of these.
 * SECURITY: no actions: policies come from whoever may write to the repository, and the server runs nobody's commands.
 */
async function upload(
  options: JobsOptions,
  source: SnapshotSource,
  progress: UploadProgress,
  signal: AbortSignal,
  control: TaskControl,
): Promise<SnapshotManifest | undefined> {
  const flush = options.flush ?? ((callOptions) => options.repository.flush(callOptions));
  const repository = await withExactPolicies(options.repository, { signal });
  const { snapshot, saved } = await createSnapshot(repository, source, {
    signal,
    estimation: ESTIMATION,
    onEvent: progress.onEvent,
  });
  control.counters(progress.taskCounters(true));
  if (!saved) {
    control.log("info", "not saved: nothing has changed since the previous snapshot");
    return undefined;
  }
  const expired = await applyRetention(repository, source);
  await flush();
  control.log("info", `created snapshot ${snapshot.id}`);
  if (expired.length > 0) control.log("info", `${expired.length} snapshots expired`);
  return snapshot;
}
