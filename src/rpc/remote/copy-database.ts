/**
 * The file of the local copies, an SQLite database: a file of its own for each would cost a client that uploads many
 * small files a quarter of its CPU time. Nothing here throws, whatever fails is a miss: a damaged or foreign file is
 * replaced, a locked one passed by, and with a folder that cannot be used there are no copies. It may be open in
 * several processes. Killing a process leaves it whole; a machine that loses power may damage it.
 */
import { closeSync, lstatSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../bytes/index.ts";
import {
  type CacheLimits,
  markCacheFolder,
  SERVER_CONTENTS,
  TOUCH_AGE_MS,
} from "../../content/index.ts";
import { isSejfError } from "../../errors/index.ts";
import type { ContentId } from "../../format/index.ts";
import { CopyTables, type RoomLimits, type StoredCopy } from "./copy-tables.ts";

const FILE_NAME = "contents.db";
/** How long another process's transaction is waited for. */
const LOCK_WAIT_MS = 200;
/** Waits in vain, one after the other, until there is no cache any more. */
const MAX_WAITS = 3;
/** Uses that are noted together at the latest. */
const MAX_TOUCHED = 4_096;

/** SQLite's primary result codes: an extended one has them in its low byte. */
const RESULT = {
  error: 1,
  busy: 5,
  locked: 6,
  corrupt: 11,
  full: 13,
  protocol: 15,
  constraint: 19,
  notADatabase: 26,
} as const;
const PASSING: ReadonlySet<number> = new Set([
  RESULT.busy,
  RESULT.locked,
  RESULT.full,
  RESULT.protocol,
]);
const DAMAGE: ReadonlySet<number> = new Set([
  RESULT.error,
  RESULT.corrupt,
  RESULT.constraint,
  RESULT.notADatabase,
]);

export interface CopyDatabaseOptions {
  /** Our own part of the cache folder. */
  readonly directory: string;
  /** `contentBytes` is what the file may hold: the copies of direct connections in the same folder are not counted. */
  readonly limits: Pick<CacheLimits, "contentBytes" | "minimumAgeMs">;
  readonly clock: Clock;
}

type Sqlite = typeof import("node:sqlite");

interface OpenFile {
  readonly db: DatabaseSync;
  readonly tables: CopyTables;
}

/** The file itself is opened at the first call. @throws where Node comes without SQLite. */
export async function createCopyDatabase(options: CopyDatabaseOptions): Promise<CopyDatabase> {
  return new CopyDatabase(await import("node:sqlite"), options);
}

export class CopyDatabase {
  readonly #sqlite: Sqlite;
  readonly #options: CopyDatabaseOptions;
  readonly #folder: string;
  readonly #touched = new Set<number>();
  #file: OpenFile | undefined;
  #isGivenUp = false;
  #damage: "none" | "met" | "replaced" = "none";
  #hasWritten = false;
  #waits = 0;

  constructor(sqlite: Sqlite, options: CopyDatabaseOptions) {
    this.#sqlite = sqlite;
    this.#options = options;
    this.#folder = join(options.directory, SERVER_CONTENTS);
  }

  get(id: ContentId): Uint8Array | undefined {
    const found = this.#attempt((tables) => tables.find(id));
    if (found === undefined) return undefined;
    if (this.#options.clock.nowMs() - found.usedMs > TOUCH_AGE_MS) this.#touched.add(found.row);
    if (this.#touched.size >= MAX_TOUCHED) this.write([]);
    return found.stored;
  }

  /** In one transaction, with the uses that are to be noted. What cannot be written is not kept. */
  write(copies: readonly StoredCopy[]): void {
    const touched = [...this.#touched];
    this.#touched.clear();
    this.#hasWritten = true;
    const limits = this.#limits();
    const fitting = copies.filter(({ stored }) => stored.byteLength <= limits.limitBytes);
    const nowMs = this.#options.clock.nowMs();
    this.#attempt((tables) => tables.write(fitting, touched, nowMs, limits));
  }

  remove(id: ContentId): void {
    this.#attempt((tables) => tables.remove(id));
  }

  /** Moves what was written to its place. */
  checkpoint(): void {
    if (!this.#hasWritten) return;
    this.#attempt((tables) => tables.checkpoint());
  }

  /** Notes what was used, and brings a file that was written to below its limit. Then every call is a miss. */
  async close(): Promise<void> {
    if (this.#touched.size > 0) this.write([]);
    while (this.#hasWritten && this.#attempt((tables) => tables.shrink(this.#limits())) === true)
      await turn();
    this.#giveUp();
  }

  #limits(): RoomLimits {
    const { limits, clock } = this.#options;
    return {
      limitBytes: limits.contentBytes,
      youngestMs: clock.nowMs() - limits.minimumAgeMs,
    };
  }

  /** A damaged file is replaced once, and the task tried again on the new one. */
  #attempt<T>(task: (tables: CopyTables) => T): T | undefined {
    for (;;) {
      if (this.#isGivenUp) return undefined;
      try {
        this.#file ??= this.#open();
        const result = task(this.#file.tables);
        this.#waits = 0;
        return result;
      } catch (error) {
        const code = resultCode(error);
        if (this.#damage === "none" && isDamage(error, code)) {
          this.#closeFile();
          this.#damage = "met";
          continue;
        }
        this.#waits++;
        if (!PASSING.has(code) || this.#waits >= MAX_WAITS) this.#giveUp();
        return undefined;
      }
    }
  }

  #open(): OpenFile {
    const path = join(this.#folder, FILE_NAME);
    // SQLite would follow a link.
    const isThere = lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
    if (!isThere || this.#damage === "met") this.#makeAnew(path);
    const db = new this.#sqlite.DatabaseSync(path, { timeout: LOCK_WAIT_MS });
    try {
      return { db, tables: CopyTables.open(db) };
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /**
   * An empty file in an empty folder: copies that an earlier version kept there go too. Another process that has the
   * old file open goes on with it, and SQLite notices that it was moved.
   */
  #makeAnew(path: string): void {
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    markCacheFolder(this.#options.directory);
    // SQLite gives the files beside it the same mode.
    closeSync(openSync(path, "wx", 0o600));
    if (this.#damage === "met") this.#damage = "replaced";
  }

  #giveUp(): void {
    this.#isGivenUp = true;
    this.#closeFile();
  }

  #closeFile(): void {
    const db = this.#file?.db;
    this.#file = undefined;
    this.#touched.clear();
    try {
      db?.close();
    } catch {
      // what was not written is a miss
    }
  }
}

/** -1 for an error that is not SQLite's. */
function resultCode(error: unknown): number {
  if (!(error instanceof Error) || !("errcode" in error)) return -1;
  return Number(error.errcode) & 0xff;
}

/** Also a number that is larger than any of ours. */
function isDamage(error: unknown, code: number): boolean {
  if (DAMAGE.has(code) || isSejfError(error, "SEJF_CORRUPT")) return true;
  return error instanceof RangeError;
}
