import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8ToBytes } from "../../bytes/index.ts";
import type { CryptoEngine } from "../../crypto/index.ts";
import { derivingOnce } from "./deriving-once.ts";
import { nodeCryptoEngine } from "./node-engine.ts";

const SCRYPT = { cost: 16, blockSize: 1, parallelization: 1, length: 16 };
const [PASSWORD, SALT] = [utf8ToBytes("password"), utf8ToBytes("salt")];

function counting(): { readonly engine: CryptoEngine; count: number } {
  const counted = {
    count: 0,
    engine: Object.create(nodeCryptoEngine, {
      scrypt: {
        value: (...args: Parameters<CryptoEngine["scrypt"]>) => {
          counted.count++;
          return nodeCryptoEngine.scrypt(...args);
        },
      },
    }) as CryptoEngine,
  };
  return counted;
}

test("derivingOnce: one derivation for the same inputs, another for each that differs, the keys of the engine itself", async () => {
  const counted = counting();
  const once = derivingOnce(counted.engine);
  const real = await nodeCryptoEngine.scrypt(PASSWORD, SALT, SCRYPT);
  const both = await Promise.all([1, 2].map(() => once.scrypt(PASSWORD, SALT, SCRYPT)));
  assert.deepEqual(both, [real, real]);
  assert.equal(counted.count, 1);
  // The border between password and salt counts.
  await once.scrypt(utf8ToBytes("passwords"), utf8ToBytes("alt"), SCRYPT);
  await once.scrypt(PASSWORD, SALT, { ...SCRYPT, cost: 32 });
  await once.scrypt(PASSWORD, SALT, { ...SCRYPT, length: 32 });
  assert.equal(counted.count, 4);
  const pbkdf2 = await nodeCryptoEngine.pbkdf2Sha256(PASSWORD, SALT, 10, 16);
  assert.deepEqual(await once.pbkdf2Sha256(PASSWORD, SALT, 10, 16), pbkdf2);
  assert.equal(once.name, nodeCryptoEngine.name);
});

test("derivingOnce: a key that somebody wiped is whole for the next, and a failure is not remembered", async () => {
  const once = derivingOnce(nodeCryptoEngine);
  const first = await once.scrypt(PASSWORD, SALT, SCRYPT);
  const kept = first.slice();
  first.fill(0);
  assert.deepEqual(await once.scrypt(PASSWORD, SALT, SCRYPT), kept);
  let isBroken = true;
  const broken = derivingOnce(
    Object.create(nodeCryptoEngine, {
      scrypt: {
        value: async (...args: Parameters<CryptoEngine["scrypt"]>) => {
          if (isBroken) throw new Error("no memory");
          return await nodeCryptoEngine.scrypt(...args);
        },
      },
    }) as CryptoEngine,
  );
  await assert.rejects(broken.scrypt(PASSWORD, SALT, SCRYPT), /no memory/);
  isBroken = false;
  assert.deepEqual(await broken.scrypt(PASSWORD, SALT, SCRYPT), kept);
});
