/**
 * The tables of the local copies: what was stored under a content's ID, and beside it, in rows of their own, when it
 * was last used, so that noting a use writes no copy again. The pages of what is removed are used again.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { SejfError } from "../../errors/index.ts";
import type { ContentId } from "../../format/index.ts";

/** "sejf", so that another program's file is recognised. */
const APPLICATION_ID = 0x73_65_6a_66;
/** Of the tables. A file of another version is replaced. */
const VERSION = 1;
/** A directory of fifty files is one row in its page. */
const PAGE_BYTES = 16_384;
/** Removed, or given back to the file system, in one step. */
const MAX_STEP_ROWS = 2_000;
const MAX_STEP_PAGES = 1_024;

/** Of a new file. They are written to it, which may have to wait. */
const SETTINGS = `PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL;`;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS copies (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, data BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS uses (n INTEGER PRIMARY KEY, used_ms INTEGER NOT NULL, bytes INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS uses_by_age ON uses (used_ms, bytes);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${VERSION};`;

/** What is kept of a content: encrypted. */
export interface StoredCopy {
  readonly id: ContentId;
  readonly stored: Uint8Array;
}

export interface FoundCopy {
  /** Names the row, as `touch` takes it. */
  readonly row: number;
  readonly stored: Uint8Array;
  readonly usedMs: number;
}

/** How far the file may grow: the least recently used go first, nothing that was used after `youngestMs`. */
export interface RoomLimits {
  readonly limitBytes: number;
  readonly youngestMs: number;
}

export class CopyTables {
  readonly #db: DatabaseSync;
  readonly #find: StatementSync;
  readonly #add: StatementSync;
  readonly #addUse: StatementSync;
  readonly #touch: StatementSync;
  readonly #oldest: StatementSync;
  readonly #remove: StatementSync;
  readonly #removeUse: StatementSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#find = db.prepare(
      "SELECT n, data, used_ms FROM copies LEFT JOIN uses USING (n) WHERE id = ?",
    );
    this.#add = db.prepare("INSERT INTO copies (id, data) VALUES (?, ?) ON CONFLICT DO NOTHING");
    this.#addUse = db.prepare("INSERT OR REPLACE INTO uses VALUES (?, ?, ?)");
    this.#touch = db.prepare("UPDATE uses SET used_ms = ? WHERE n = ?");
    this.#oldest = db.prepare("SELECT n, bytes FROM uses WHERE used_ms <= ? ORDER BY used_ms");
    this.#remove = db.prepare("DELETE FROM copies WHERE n = ?");
    this.#removeUse = db.prepare("DELETE FROM uses WHERE n = ?");
  }

  /** Makes the tables in an empty file. @throws SEJF_CORRUPT for another program's file; errors of SQLite. */
  static open(db: DatabaseSync): CopyTables {
    db.exec("PRAGMA synchronous = OFF");
    const isNew = numberOf(db, "SELECT count(*) AS value FROM sqlite_schema") === 0;
    if (isNew) db.exec(SETTINGS);
    try {
      db.exec("PRAGMA journal_mode = WAL");
    } catch {
      // Where that is not possible the mode stays that there is; damage shows at the next statement.
    }
    if (isNew) transaction(db, () => db.exec(SCHEMA));
    const application = numberOf(db, "SELECT application_id AS value FROM pragma_application_id");
    const version = numberOf(db, "SELECT user_version AS value FROM pragma_user_version");
    if (application !== APPLICATION_ID || version !== VERSION)
      throw new SejfError(
        "SEJF_CORRUPT",
        `the database of local copies has application ${application} and version ${version}, expected ${APPLICATION_ID} and ${VERSION}`,
      );
    return new CopyTables(db);
  }

  /** @throws SEJF_CORRUPT when the row is not as it was written; errors of SQLite. */
  find(id: ContentId): FoundCopy | undefined {
    const found = this.#find.get(id);
    if (found === undefined) return undefined;
    const { n, data, used_ms: usedMs } = found;
    if (typeof n !== "number" || typeof usedMs !== "number" || !(data instanceof Uint8Array))
      throw new SejfError("SEJF_CORRUPT", `the local copy of content ${id} is no row of ours`);
    return { row: n, stored: data, usedMs };
  }

  /** Adds copies, which are as young as now, after making room for them; one that is there stays. In one transaction. */
  write(
    copies: readonly StoredCopy[],
    touched: Iterable<number>,
    nowMs: number,
    limits: RoomLimits,
  ): void {
    transaction(this.#db, () => {
      for (const row of touched) this.#touch.run(nowMs, row);
      this.#makeRoom(
        copies.reduce((sum, { stored }) => sum + stored.byteLength, 0),
        limits,
      );
      for (const { id, stored } of copies) {
        const { changes, lastInsertRowid } = this.#add.run(id, stored);
        if (changes !== 0) this.#addUse.run(lastInsertRowid, nowMs, stored.byteLength);
      }
    });
  }

  remove(id: ContentId): void {
    transaction(this.#db, () => {
      const found = this.#find.get(id);
      if (found !== undefined) this.#removeRow(Number(found["n"]));
    });
  }

  /** Moves what was written to its place, as far as nobody reads what was there before. */
  checkpoint(): void {
    this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)");
  }

  /** One step towards the limit; says whether it got nearer. */
  shrink(limits: RoomLimits): boolean {
    let isNearer = false;
    transaction(this.#db, () => {
      isNearer = this.#makeRoom(0, limits) > 0;
    });
    if (isNearer) return true;
    const { pages, freePages } = this.#size();
    const tooMany = Math.min(freePages, pages - Math.ceil(limits.limitBytes / PAGE_BYTES));
    if (tooMany <= 0) return false;
    this.#db.exec(`PRAGMA incremental_vacuum(${Math.min(tooMany, MAX_STEP_PAGES)})`);
    return this.#size().pages < pages;
  }

  /** Removes what is oldest until so much more would fit; gives the number of copies removed. */
  #makeRoom(neededBytes: number, { limitBytes, youngestMs }: RoomLimits): number {
    const { pages, freePages } = this.#size();
    let excess = (pages - freePages) * PAGE_BYTES + neededBytes - limitBytes;
    if (excess <= 0) return 0;
    const rows: number[] = [];
    for (const { n, bytes } of this.#oldest.iterate(youngestMs)) {
      rows.push(Number(n));
      excess -= Number(bytes);
      if (excess <= 0 || rows.length === MAX_STEP_ROWS) break;
    }
    for (const row of rows) this.#removeRow(row);
    return rows.length;
  }

  #removeRow(row: number): void {
    this.#remove.run(row);
    this.#removeUse.run(row);
  }

  #size(): { readonly pages: number; readonly freePages: number } {
    return {
      pages: numberOf(this.#db, "SELECT page_count AS value FROM pragma_page_count"),
      freePages: numberOf(this.#db, "SELECT freelist_count AS value FROM pragma_freelist_count"),
    };
  }
}

function numberOf(db: DatabaseSync, query: string): number {
  return Number(db.prepare(query).get()?.["value"]);
}

function transaction(db: DatabaseSync, task: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    task();
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}
