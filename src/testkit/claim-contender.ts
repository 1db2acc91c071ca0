/** A thread that claims all keys in an order of its own, as fast as it can, and tells which it got. */
import { parentPort, workerData } from "node:worker_threads";
import { ClaimTable, type ClaimTableDescriptor } from "../node/engine/claim-table.ts";
import { SeededRandom } from "./random.ts";

const { table, gate, keys, number } = workerData as {
  readonly table: ClaimTableDescriptor;
  readonly gate: SharedArrayBuffer;
  readonly keys: number;
  readonly number: number;
};
const claims = ClaimTable.fromDescriptor(table);
const all = new SeededRandom(1).bytes(17 * keys);
const step = [1, 3, 7, 9][number - 1] ?? 1;
const won: number[] = [];
parentPort?.postMessage("ready");
Atomics.wait(new Int32Array(gate), 0, 0);
for (let i = 0, key = (number * keys) >> 3; i < keys; i++, key = (key + step) % keys) {
  if (claims.claim(all.subarray(17 * key, 17 * key + 17))) won.push(key);
}
parentPort?.postMessage(Uint32Array.from(won));
