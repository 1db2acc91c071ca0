/** As `IdSet`, with a length beside each ID that has one: 20 bytes each, 25 to 33 with the free places of a large one. */
import { type Random, systemRandom } from "../bytes/index.ts";
import { IdTable, KEY_WORDS } from "./id-table.ts";

const ROW_WORDS: number = KEY_WORDS + 1;
/** A word holds 0 for no length, or one more than the length. */
const MAX_LENGTH: number = 2 ** 31 - 2;

export class IdLengths {
  readonly #table: IdTable;
  #hasLengths = false;

  constructor(random: Random = systemRandom) {
    this.#table = new IdTable({ rowWords: ROW_WORDS, random });
  }

  get size(): number {
    return this.#table.size;
  }

  get memoryBytes(): number {
    return this.#table.memoryBytes;
  }

  /** False when it was there already. It has this length from now on, or none where it is not given. */
  add(id: string | Uint8Array, lengthBytes?: number): boolean {
    const table = this.#table;
    const before = table.size;
    const at = table.add(id);
    const word = lengthBytes === undefined || lengthBytes > MAX_LENGTH ? 0 : lengthBytes + 1;
    table.rows[at + KEY_WORDS] = word;
    this.#hasLengths ||= word > 0;
    return table.size > before;
  }

  has(id: string | Uint8Array): boolean {
    return this.#table.find(id) >= 0;
  }

  lengthOf(id: string | Uint8Array): number | undefined {
    const at = this.#table.find(id);
    const word = at < 0 ? 0 : this.#table.rows[at + KEY_WORDS]!;
    return word === 0 ? undefined : word - 1;
  }

  /** The IDs stay. */
  forgetLengths(): void {
    if (!this.#hasLengths) return;
    const { rows } = this.#table;
    for (let at = KEY_WORDS; at < rows.length; at += ROW_WORDS) rows[at] = 0;
    this.#hasLengths = false;
  }
}
