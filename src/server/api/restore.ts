/**
 * `restore`: from the repository onto the server's own disk, as a task.
 *
 * SECURITY: it writes wherever the server's user may write. Only callers with the role of the interface come here; the
 * audit log has each target.
 */
import { isAbsolute } from "node:path";
import type { Hono } from "hono";
import { z } from "zod";
import { isObjectId } from "../../object/index.ts";
import type { Repository } from "../../repository/index.ts";
import {
  type DirEntry,
  resolveObjectPath,
  type RestoreCounters,
  type RestoreEvent,
  restoreToArchive,
  restoreTree,
} from "../../snapshot/index.ts";
import { jsonReply } from "../http/replies.ts";
import type { HttpEnv } from "../http/types.ts";
import type { TaskControl, TaskCounters } from "../jobs/task-types.ts";
import { bytes, plain } from "../jobs/upload-progress.ts";
import { malformed } from "./failure.ts";
import { absentOr, type ApiContext, bodyOf, recorded, servedBy, text } from "./request.ts";
import type { ApiOptions } from "./types.ts";

const flag = absentOr(z.boolean());
const count = absentOr(z.int().min(0));
const outputSchema = z.object({
  targetPath: text,
  overwriteDirectories: flag,
  overwriteFiles: flag,
  overwriteSymlinks: flag,
  ignorePermissionErrors: flag,
  writeFilesAtomically: flag,
  skipOwners: flag,
  skipPermissions: flag,
  skipTimes: flag,
  writeSparseFiles: flag,
  flushFiles: flag,
});
const restoreSchema = z.object({
  root: text.min(1, "root not specified"),
  fsOutput: absentOr(outputSchema),
  zipFile: absentOr(text),
  uncompressedZip: flag,
  tarFile: absentOr(text),
  options: absentOr(
    z.object({
      parallel: count,
      incremental: flag,
      deleteExtra: flag,
      ignoreErrors: flag,
      restoreDirEntryAtDepth: count,
      minSizeForPlaceholder: count,
    }),
  ),
});
type RestoreRequest = z.infer<typeof restoreSchema>;

/** Where it goes, for people; and the work. */
interface Plan {
  readonly target: string;
  readonly description: string;
  run(control: TaskControl): Promise<RestoreCounters>;
}

export function addRestoreRoutes(app: Hono<HttpEnv>, options: ApiOptions): void {
  app.post("/restore", async (context) => jsonReply(await restore(options, context)));
}

async function restore(options: ApiOptions, context: ApiContext): Promise<unknown> {
  const { repository } = servedBy(options);
  const request = await bodyOf(context, restoreSchema);
  const entry = await rootOf(repository, request.root);
  const plan = planOf(repository, entry, request);
  const action = { action: "restore", target: plan.target };
  // oxlint-disable-next-line require-await -- recorded as what takes time is
  return await recorded(options, context, action, async () => {
    const { id } = options.tasks.start("Restore", plan.description, async (control) => {
      const counters = await plan.run(control);
      control.counters(restoreCounters(counters));
    });
    return options.tasks.get(id);
  });
}

/** A snapshot or object, and a path inside; never a path of a source, which might mean another one than was shown. */
async function rootOf(repository: Repository, root: string): Promise<DirEntry> {
  if (!isObjectId(root.split("/")[0] ?? "")) throw malformed("invalid root entry");
  return (await resolveObjectPath(repository, root)).entry;
}

function planOf(repository: Repository, entry: DirEntry, request: RestoreRequest): Plan {
  const { fsOutput, zipFile, tarFile, uncompressedZip } = request;
  const archive = (
    target: string,
    kind: string,
    format: "zip" | "zip-nocompress" | "tar",
  ): Plan => {
    assertAbsolute(target);
    const ignoreErrors = request.options?.ignoreErrors ?? false;
    return {
      target,
      description: `${kind}: ${target}`,
      run: async (control) =>
        await restoreToArchive(repository, entry, target, {
          format,
          ignoreErrors,
          signal: control.signal,
          onEvent: teller(control),
        }),
    };
  };
  if (fsOutput !== null && fsOutput !== undefined)
    return treePlan(repository, entry, request, fsOutput);
  if (typeof zipFile === "string" && zipFile !== "")
    return uncompressedZip === true
      ? archive(zipFile, "Uncompressed ZIP File", "zip-nocompress")
      : archive(zipFile, "ZIP File", "zip");
  if (typeof tarFile === "string" && tarFile !== "") return archive(tarFile, "TAR File", "tar");
  throw malformed("output not specified");
}

/** What is absent is off, as Kopia has it: that of `restoreDirEntryAtDepth` is 0, which makes placeholders only. */
function treePlan(
  repository: Repository,
  entry: DirEntry,
  { options }: RestoreRequest,
  output: z.infer<typeof outputSchema>,
): Plan {
  const { targetPath: target } = output;
  assertAbsolute(target);
  const parallel = options?.parallel ?? 0;
  return {
    target,
    description: `Destination: ${target}`,
    run: async (control) =>
      await restoreTree(repository, entry, target, {
        overwriteDirectories: output.overwriteDirectories ?? false,
        overwriteFiles: output.overwriteFiles ?? false,
        overwriteSymlinks: output.overwriteSymlinks ?? false,
        ignorePermissionErrors: output.ignorePermissionErrors ?? false,
        writeFilesAtomically: output.writeFilesAtomically ?? false,
        skipOwners: output.skipOwners ?? false,
        skipPermissions: output.skipPermissions ?? false,
        skipTimes: output.skipTimes ?? false,
        writeSparseFiles: output.writeSparseFiles ?? false,
        flushFiles: output.flushFiles ?? false,
        skipExisting: options?.incremental ?? false,
        deleteExtra: options?.deleteExtra ?? false,
        ignoreErrors: options?.ignoreErrors ?? false,
        shallow: options?.restoreDirEntryAtDepth ?? 0,
        shallowMinSizeBytes: options?.minSizeForPlaceholder ?? 0,
        ...(parallel === 0 ? {} : { parallel }),
        signal: control.signal,
        onEvent: teller(control),
      }),
  };
}

function assertAbsolute(path: string): void {
  if (!isAbsolute(path) || path.includes("\0"))
    throw malformed("the target must be an absolute path on the server");
}

function teller(control: TaskControl): (event: RestoreEvent) => void {
  return (event) => {
    if (event.kind === "progress") control.counters(restoreCounters(event.counters));
    else control.log("error", event.message, { path: event.path });
  };
}

function restoreCounters(counters: RestoreCounters): TaskCounters {
  return {
    "Restored Files": plain(counters.files),
    "Restored Directories": plain(counters.directories),
    "Restored Symlinks": plain(counters.symlinks),
    "Restored Bytes": bytes(counters.bytes),
    "Ignored Errors": plain(counters.errors),
    "Skipped Files": plain(counters.skipped),
    "Skipped Bytes": bytes(counters.skippedBytes),
  };
}
