import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { releasePages } from "./pages.ts";

test("releasePages: the memory goes back to the system and can be used again", (t) => {
  const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024, shared: true });
  const view = new Uint8Array(memory.buffer).subarray(65536, 65536 + (48 << 20));
  const before = new Uint8Array(memory.buffer)[0];
  view.fill(7);
  new Uint8Array(memory.buffer)[65535] = 9;
  const full = residentBytes();
  releasePages(view);
  assert.equal(new Uint8Array(memory.buffer)[65535], 9);
  assert.equal(new Uint8Array(memory.buffer)[0], before);
  view.fill(3, 0, 10_000);
  assert.equal(view[9_999], 3);
  if (process.platform !== "linux" || view[20_000] === 7) return t.skip("not to be had here");
  assert.ok(full - residentBytes() > 40 << 20);
});

function residentBytes(): number {
  if (process.platform !== "linux") return 0;
  return 4096 * Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]);
}
