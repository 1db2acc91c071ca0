/**
 * Restoring in a thread: the small files of a directory are made whole, with metadata set while they are open; pieces
 * of big files are written at their places in a file that the main thread holds open. SECURITY: names are checked,
 * the directory must be a real one, symlinks are never followed, existing files are never written to unless asked.
 */
import { constants, fstatSync, fsyncSync, ftruncateSync } from "node:fs";
import { errorFromUnknown, type SejfError } from "../../errors/index.ts";
import type { LocalName, RestoreAttributes } from "../../format/index.ts";
import {
  assertRealDirectory,
  discardRestoreFile,
  finishRestoreFile,
  joinLocal,
  nameText,
  openRestoreFile,
  setFileAttributes,
  writeFully,
  writeSparse,
} from "../files/index.ts";
import type { ContentOpener, LoadedRange } from "./content-opener.ts";
import { namesOf } from "./name-groups.ts";
import {
  NO_TIME,
  type PieceColumn,
  type PiecesJob,
  type ReadFailure,
  type ReadReply,
  RESTORE_FLAGS,
  type RestoreJobMessage,
  type VerifyJob,
} from "./protocol.ts";

/** Makes the files of one job. */
export function restoreFiles(job: RestoreJobMessage, opener: ContentOpener): ReadReply {
  const failures: ReadFailure[] = [];
  const ranges = opener.loadRanges(job.ranges);
  const ids = splitIds(job.pieces);
  let index = 0;
  for (const group of job.groups) {
    const refused = refusalOf(group.directory);
    const owners = new NewOwners();
    for (const name of namesOf(group)) {
      try {
        if (refused !== undefined) throw refused;
        restoreOne(job, index, group.directory, name, owners, ids, ranges, opener);
      } catch (error) {
        const path = nameText(joinLocal(group.directory, name));
        failures.push(failureOf(index, error, `restoring ${path}`));
      }
      index++;
    }
  }
  return { op: "read", job: job.job, failures };
}

/** The owner that new files of one directory get by themselves: where it is the right one, nothing is set. */
class NewOwners {
  #owner: { readonly uid: number; readonly gid: number } | undefined;

  /** The attributes that remain to be set. `fd`: a new file. */
  without(attributes: RestoreAttributes, fd: number): RestoreAttributes {
    const { owner } = attributes;
    if (owner === undefined) return attributes;
    if (this.#owner === undefined) {
      const { uid, gid } = fstatSync(fd);
      this.#owner = { uid, gid };
    }
    const isRight = owner.uid === this.#owner.uid && owner.gid === this.#owner.gid;
    return isRight ? { ...attributes, owner: undefined } : attributes;
  }
}

/** Why nothing is made in a directory: it is not there, or a symlink. */
function refusalOf(directory: LocalName): SejfError | undefined {
  try {
    assertRealDirectory(directory);
    return undefined;
  } catch (error) {
    return errorFromUnknown(error, `opening the directory ${nameText(directory)}`);
  }
}

/** Writes pieces of one big file. */
export function restorePieces(job: PiecesJob, opener: ContentOpener): ReadReply {
  const ranges = opener.loadRanges(job.ranges);
  const ids = splitIds(job.pieces);
  let position = job.position;
  for (let i = 0; i < ids.length; i++) {
    try {
      const segment = opener.openSegment(job.pieces, ids, i, ranges);
      if (job.sparse) writeSparse(job.fd, segment, position);
      else writeFully(job.fd, segment, position);
      position += segment.byteLength;
    } catch (error) {
      return { op: "read", job: job.job, failures: [failureOf(i, error, "writing a file")] };
    }
  }
  return { op: "read", job: job.job, failures: [] };
}

/** Reads and re-hashes contents. */
export function verifyPieces(job: VerifyJob, opener: ContentOpener): ReadReply {
  const ranges = opener.loadRanges(job.ranges);
  const ids = splitIds(job.pieces);
  const failures: ReadFailure[] = [];
  const lengths = new Float64Array(ids.length);
  for (let i = 0; i < ids.length; i++) {
    try {
      lengths[i] = opener.openPiece(job.pieces, ids, i, ranges).byteLength;
    } catch (error) {
      failures.push(failureOf(i, error, `reading the content ${ids[i]}`));
    }
  }
  return { op: "read", job: job.job, failures, lengths };
}

function restoreOne(
  job: RestoreJobMessage,
  index: number,
  directory: LocalName,
  name: LocalName,
  owners: NewOwners,
  ids: readonly string[],
  ranges: readonly LoadedRange[],
  opener: ContentOpener,
): void {
  const flags = job.flags[index]!;
  const first = index === 0 ? 0 : job.pieceEnds[index - 1]!;
  const end = job.pieceEnds[index]!;
  // A single piece is decoded before the file is made: nothing to undo when it is damaged.
  const only = end - first === 1 ? opener.openSegment(job.pieces, ids, first, ranges) : undefined;
  const target = openRestoreFile(directory, name, {
    overwrite: (flags & RESTORE_FLAGS.overwrite) !== 0,
    atomically: (flags & RESTORE_FLAGS.atomically) !== 0,
  });
  try {
    const sparse = (flags & RESTORE_FLAGS.sparse) !== 0;
    const write = sparse ? writeSparse : writeFully;
    let position = 0;
    for (let i = first; i < end; i++) {
      const segment = only ?? opener.openSegment(job.pieces, ids, i, ranges);
      write(target.fd, segment, position);
      position += segment.byteLength;
    }
    if (sparse) ftruncateSync(target.fd, position);
    const attributes = attributesAt(job, index);
    setFileAttributes(
      target.fd,
      target.isNew ? owners.without(attributes, target.fd) : attributes,
      {
        ignorePermissionErrors: (flags & RESTORE_FLAGS.ignorePermissionErrors) !== 0,
      },
    );
    if ((flags & RESTORE_FLAGS.fsync) !== 0) fsyncSync(target.fd);
  } catch (error) {
    discardRestoreFile(target);
    throw error;
  }
  finishRestoreFile(target);
}

function attributesAt(job: RestoreJobMessage, index: number): RestoreAttributes {
  const mode = job.modes[index]!;
  const uid = job.owners[2 * index]!;
  const mtimeNs = job.mtimes[index]!;
  return {
    mode: mode < 0 ? undefined : mode & ~constants.S_IFMT,
    owner: uid < 0 ? undefined : { uid, gid: job.owners[2 * index + 1]! },
    mtimeNs: mtimeNs === NO_TIME ? undefined : mtimeNs,
  };
}

function splitIds(pieces: PieceColumn): readonly string[] {
  return pieces.ids === "" ? [] : pieces.ids.split(" ");
}

function failureOf(index: number, error: unknown, doing: string): ReadFailure {
  const { code, message } = errorFromUnknown(error, doing);
  return { index, code, message };
}
