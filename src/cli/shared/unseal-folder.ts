/** A folder into which a sealed snapshot was restored by any program, turned into the files. Spec: sealed 5. */
import { SejfError } from "../../errors/index.ts";
import { nodeCompressionEngine } from "../../node/index.ts";
import {
  type KitIdentities,
  openRestoredFolder,
  type RestoredFolder,
  type RestoredFolderOptions,
} from "../../sealing/index.ts";
import { decodeSnapshot, formatSource, restoreTree } from "../../snapshot/index.ts";
import type { ManifestId } from "../../manifest/index.ts";
import type { CommandContext } from "../context.ts";
import { type Flag, flag } from "../flags.ts";
import { ENROLL_TOOLS } from "./sealed-open.ts";

/** @throws SEJF_NOT_FOUND, SEJF_CORRUPT; SEJF_UNSUPPORTED for a snapshot without a root. */
export async function unsealFolder(
  context: CommandContext,
  folder: string,
  target: string,
  kit: KitIdentities,
  how: RestoredFolderOptions,
): Promise<void> {
  const { engine, clock, random } = ENROLL_TOOLS;
  const tools = { engine, compression: nodeCompressionEngine, clock, random };
  const { repository, manifest, isSigned } = await openWithAny(tools, folder, kit, how);
  const { source, startTimeNs, rootEntry } = decodeSnapshot("" as ManifestId, manifest);
  if (rootEntry === undefined)
    throw new SejfError("SEJF_UNSUPPORTED", `the snapshot in ${folder} has no root`);
  context.log.info(`Unsealing ${formatSource(source)} of ${context.time(startTimeNs)} ...`);
  if (!isSigned)
    context.log.warn(
      "NOBODY CAN TELL WHO MADE IT: no signature of the account was checked. Trust these files no more than their folder.",
    );
  const { signal } = context;
  const { files, directories } = await restoreTree(repository, rootEntry, target, { signal });
  context.log.info(`Unsealed ${files} files and ${directories} directories to ${target}.`);
}

/** Of `unseal` and `recover --folder`. */
export const UNSIGNED_FLAG: Flag<boolean> = flag(
  "Also what nobody can tell the maker of: it is signed by no device, or --escrow cannot check who signed",
);

/** With the account's key, or one that it had before. */
async function openWithAny(
  tools: Parameters<typeof openRestoredFolder>[0],
  folder: string,
  { identity, former }: KitIdentities,
  how: RestoredFolderOptions,
): Promise<RestoredFolder> {
  try {
    return await openRestoredFolder(tools, folder, identity, how);
  } catch (error) {
    for (const one of former) {
      try {
        return await openRestoredFolder(tools, folder, one, how);
      } catch {
        // The first error tells.
      }
    }
    throw error;
  }
}
