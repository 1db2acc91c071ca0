import assert from "node:assert/strict";
import test from "node:test";
import { Worker } from "node:worker_threads";
import { cryptoEngineContract } from "../../testkit/crypto-engine-contract.ts";
import { createNodeContentCipher, loadOpenSsl, nodeCryptoEngine } from "./index.ts";

// From here on the engine of this process calls OpenSSL directly; node-engine.test.ts has it through node:crypto.
const openSsl = loadOpenSsl();

test("loadOpenSsl: the pinned Node shows its OpenSSL, and it passes the self-test", () => {
  assert.notEqual(openSsl, undefined);
  assert.equal(loadOpenSsl(), openSsl);
});

cryptoEngineContract({ ...nodeCryptoEngine, name: "node with OpenSSL called directly" });

test("openssl: threads have contexts of their own", async () => {
  const module = JSON.stringify(new URL("./index.ts", import.meta.url).href);
  const source = `
    import { parentPort } from "node:worker_threads";
    const { createNodeContentCipher, loadOpenSsl } = await import(${module});
    loadOpenSsl();
    const cipher = createNodeContentCipher("AES256-GCM-HMAC-SHA256", new Uint8Array(32).fill(7));
    const results = [];
    for (let i = 0; i < 200; i++) results.push(cipher.encrypt(new Uint8Array(i * 100).fill(i), new Uint8Array(16).fill(i)));
    parentPort.postMessage(results);`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(source)}`);
  const threads = Array.from({ length: 2 }, () => new Worker(url));
  const cipher = createNodeContentCipher("AES256-GCM-HMAC-SHA256", new Uint8Array(32).fill(7));
  const answers = threads.map(
    (thread) =>
      new Promise<readonly Uint8Array[]>((resolve, reject) => {
        thread.once("message", resolve);
        thread.once("error", reject);
      }),
  );
  for (const answer of answers) {
    for (const [i, encrypted] of (await answer).entries()) {
      assert.deepEqual(
        cipher.decrypt(encrypted, new Uint8Array(16).fill(i)),
        new Uint8Array(i * 100).fill(i),
      );
    }
  }
  await Promise.all(threads.map(async (thread) => await thread.terminate()));
});
