/**
 * A set of object or content IDs for whole repositories: 16 bytes each, 20 to 26 with the free places of a large one,
 * instead of a text in a Map. A content without prefix may be given by its hash.
 */
import { type Random, systemRandom } from "../bytes/index.ts";
import { IdTable, KEY_WORDS } from "./id-table.ts";

export class IdSet {
  readonly #table: IdTable;

  /** `expected`: about how many there will be, where somebody knows. */
  constructor(expected = 0, random: Random = systemRandom) {
    this.#table = new IdTable({ rowWords: KEY_WORDS, expected, random });
  }

  get size(): number {
    return this.#table.size;
  }

  get memoryBytes(): number {
    return this.#table.memoryBytes;
  }

  /** False when it was there already. */
  add(id: string | Uint8Array): boolean {
    const table = this.#table;
    const before = table.size;
    table.add(id);
    return table.size > before;
  }

  /** All that the other one has. */
  addAll(other: IdSet): void {
    this.#table.addAll(other.#table);
  }

  has(id: string | Uint8Array): boolean {
    return this.#table.find(id) >= 0;
  }
}
