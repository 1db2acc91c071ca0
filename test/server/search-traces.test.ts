/** What the demonstration's operator finds is only worth something if the search misses nothing. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { searchTraces, tracesOf } from "../../scripts/search-traces.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { temporaryDirectory } from "../../src/testkit/temp.ts";

test("search of traces: names and pieces, over the edges of what is read at once; in texts; nothing in another folder", async () => {
  await using home = await temporaryDirectory("traces");
  const random = new SeededRandom(6);
  const [own, other, empty] = ["own", "other", "empty"].map((name) => join(home.path, name));
  assert.ok(own !== undefined && other !== undefined && empty !== undefined);
  for (const folder of [own, other, empty]) mkdirSync(folder);
  writeFileSync(join(own, "small-one.txt"), "the quick brown fox jumps over the lazy dog");
  writeFileSync(join(own, "zeros.bin"), Buffer.alloc(1000));
  writeFileSync(join(own, "large-one.bin"), random.bytes(3_000_000));
  writeFileSync(join(own, "known-name"), "");
  const traces = tracesOf(own, new Set(["known-name"]));
  assert.deepEqual([traces.names.length, traces.pieces.length], [3, 2]);
  assert.deepEqual(searchTraces(traces, own, []), { names: 3, pieces: 2 });
  writeFileSync(join(other, "unlike"), random.bytes(1_000_000));
  assert.deepEqual(searchTraces(traces, other, []), { names: 0, pieces: 0 });
  assert.deepEqual(searchTraces(traces, empty, ["a path/small-one.txt"]), { names: 1, pieces: 0 });
  const [piece = Buffer.alloc(0)] = traces.pieces;
  for (const before of [(1 << 20) - 40, (1 << 20) - 16, 1 << 20, (2 << 20) - 48]) {
    const file = Buffer.concat([Buffer.alloc(before), piece, Buffer.alloc(5)]);
    writeFileSync(join(other, "unlike"), file);
    assert.equal(searchTraces(traces, other, []).pieces, 1, `${before} bytes before it`);
  }
});
