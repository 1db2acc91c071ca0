/** What a verification is asked for, what it tells on the way, and what comes of it. */
import type { CallOptions } from "../bytes/index.ts";
import type { ErrorCode } from "../errors/index.ts";
import type { ContentRef } from "../format/index.ts";
import type { ObjectId } from "../object/index.ts";
import type { DirEntry, SnapshotManifest } from "./types.ts";

/** A tree, a file, or a snapshot, and what it is called in messages. */
export interface VerifyRoot {
  readonly entry: DirEntry;
  /** Before the paths below it: `user@host:/path@2026-01-02 03:04:05 UTC`. */
  readonly label: string;
  /** Whose root it is, to tell which snapshots are hurt. */
  readonly snapshot?: SnapshotManifest | undefined;
}

export interface VerifyProblem {
  /** The root's label, and the path below it. */
  readonly path: string;
  readonly object: ObjectId;
  /** The content that is missing or damaged, where it is known. */
  readonly content?: ContentRef | undefined;
  /** The pack it should be in, where it is known. */
  readonly blob?: string | undefined;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Running totals; the listener must not keep the object. */
export interface VerifyCounters {
  /** Directories, files and symlinks, each object once. */
  readonly processedObjects: number;
  /** Of files and symlinks. */
  readonly processedBytes: number;
  /** Files read in full. */
  readonly readFiles: number;
  readonly readBytes: number;
  /** By the summaries of the roots: shared objects are counted for each root. */
  readonly expectedObjects: number;
  readonly expectedFiles: number;
  readonly expectedBytes: number;
}

export type VerifyEvent =
  /** How many packs the storage has, where it can be asked. */
  | { readonly kind: "listed"; readonly packs: number }
  | { readonly kind: "progress"; readonly counters: VerifyCounters }
  | { readonly kind: "problem"; readonly problem: VerifyProblem };

export interface VerifyOptions extends CallOptions {
  /** Share of the files, 0…100, that are read in full and hashed again. Default 0: only index and packs are looked at. */
  readonly filesPercent?: number | undefined;
  /** Stops after so many problems. Default, and 0: finds them all. */
  readonly maxErrors?: number | undefined;
  /** Directories fetched together, in units of 32. Default 8. */
  readonly parallel?: number | undefined;
  /** Files of more than one content looked at together. Default 8. */
  readonly fileParallel?: number | undefined;
  /** 0 up to, not including, 1: chooses the files that are read. */
  readonly random?: (() => number) | undefined;
  readonly onEvent?: ((event: VerifyEvent) => void) | undefined;
}

/** A root below which something cannot be read. */
export interface HurtRoot {
  readonly root: VerifyRoot;
  /** Directories, files and symlinks in the tree that cannot be read, the same object each time it occurs. */
  readonly damaged: number;
}

export interface SnapshotVerification {
  readonly counters: VerifyCounters;
  /** The first ones, in the order they were found. */
  readonly problems: readonly VerifyProblem[];
  /** All of them: one an object. */
  readonly problemCount: number;
  /** In the order of the roots. */
  readonly hurt: readonly HurtRoot[];
  /** Whether an object was found broken. */
  readonly isBroken: (object: ObjectId) => boolean;
}
