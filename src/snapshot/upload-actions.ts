/** The actions around one directory of an upload. Spec: kopia-snapshots 4.10. */
import { join } from "node:path";
import type { DirectoryNode } from "./upload-node.ts";
import type { UploadSettings } from "./upload-settings.ts";

/**
 * Runs the action before a directory that its own policy has, and turns the node to what it is to be read from. The
 * one after is left to be run in `node.actions`. @throws as `SnapshotActions.enter`.
 */
export async function enterFolder(
  node: DirectoryNode,
  settings: UploadSettings,
  signal: AbortSignal,
): Promise<void> {
  const { beforeFolder: before, afterFolder: after } = node.policy.own?.actions ?? {};
  if (before === undefined && after === undefined) return;
  const sourcePath = join(settings.sourcePath, node.path);
  node.actions = await settings.actions.enter(
    { kind: "folder", sourcePath, before, after },
    signal,
  );
  const { redirect } = node.actions;
  if (redirect !== undefined) node.readFrom(redirect.local, redirect.stat);
}
