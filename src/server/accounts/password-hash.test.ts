import assert from "node:assert/strict";
import { pbkdf2Sync } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { base64ToBytes, bytesToBase64, concatBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import { nodeCryptoEngine } from "../../node/index.ts";
import { numRuns } from "../../testkit/property.ts";
import { SeededRandom } from "../../testkit/random.ts";
import {
  decodePasswordHash,
  formatPasswordHash,
  hashPassword,
  NO_PASSWORD,
  parsePasswordHash,
  passwordMatches,
} from "./password-hash.ts";

/** `kopia server users hash-password --user-password=x`. */
const KOPIA_HASH =
  "eyJwYXNzd29yZEhhc2hWZXJzaW9uIjoxLCJwYXNzd29yZEhhc2giOiJMazFCUmxuVjV4aG53R0pTbFhvdlBzVUdGQy9XRGRrSmxYQVRsUEZ4YVlwRW5KNzkwMDJhbktwclNpcEY5WGlMSlNaZjlYeFdjbi9MemVBYk9pdkV2QT09In0=";

test("parsePasswordHash: what kopia printed matches its password and no other", async () => {
  const hash = parsePasswordHash(KOPIA_HASH);
  assert.equal(await passwordMatches("x", hash, nodeCryptoEngine), true);
  assert.equal(await passwordMatches("y", hash, nodeCryptoEngine), false);
  assert.equal(formatPasswordHash(hash), KOPIA_HASH);
});

test("passwordMatches: version 2 is PBKDF2 with 600,000 iterations of SHA-256", async () => {
  const salt = new SeededRandom(3).bytes(32);
  const key = Uint8Array.from(pbkdf2Sync("pw", salt, 600_000, 32, "sha256"));
  const hash = decodePasswordHash(2, bytesToBase64(concatBytes(salt, key)));
  assert.ok(hash !== undefined);
  assert.equal(await passwordMatches("pw", hash, nodeCryptoEngine), true);
  assert.equal(await passwordMatches("pw", { ...hash, version: 1 }, nodeCryptoEngine), false);
});

test("hashPassword: two hashes of one password differ; both match; the dummy matches nothing", async () => {
  const random = new SeededRandom(4);
  const one = await hashPassword("pw", nodeCryptoEngine, random);
  const two = await hashPassword("pw", nodeCryptoEngine, random);
  assert.notDeepEqual(one.saltAndKey, two.saltAndKey);
  assert.equal(one.saltAndKey.length, 64);
  assert.equal(await passwordMatches("pw", two, nodeCryptoEngine), true);
  assert.equal(await passwordMatches("pw", NO_PASSWORD, nodeCryptoEngine), false);
});

test("hashPassword: refuses what no client could give", async () => {
  const random = new SeededRandom(5);
  for (const password of ["", " x", "x\n", "x".repeat(1025)])
    await assert.rejects(hashPassword(password, nodeCryptoEngine, random), {
      code: "SEJF_INVALID_ARGUMENT",
    });
});

test("decodePasswordHash: missing and zero versions are scrypt, others and other lengths never valid", () => {
  const text = bytesToBase64(new Uint8Array(64));
  assert.equal(decodePasswordHash(undefined, text)?.version, 1);
  assert.equal(decodePasswordHash(0, text)?.version, 1);
  for (const version of [3, -1, 1.5, "1", null, {}])
    if (version !== null) assert.equal(decodePasswordHash(version, text), undefined);
  for (const hash of [
    bytesToBase64(new Uint8Array(63)),
    bytesToBase64(new Uint8Array(65)),
    "",
    "?",
    5,
    null,
  ])
    assert.equal(decodePasswordHash(1, hash), undefined);
});

test("parsePasswordHash: any text gives a hash of 64 bytes or SEJF_INVALID_ARGUMENT, never another error", () => {
  const json = new TextDecoder().decode(base64ToBytes(KOPIA_HASH));
  const mutated = fc
    .tuple(fc.nat(json.length - 1), fc.string({ maxLength: 3 }))
    .map(([at, text]) =>
      bytesToBase64(new TextEncoder().encode(json.slice(0, at) + text + json.slice(at + 1))),
    );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), mutated), (text) => {
      try {
        assert.equal(parsePasswordHash(text).saltAndKey.length, 64);
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_INVALID_ARGUMENT"), String(error));
        assert.ok(text.length < 8 || !error.message.includes(text));
      }
    }),
    { numRuns: numRuns(200) },
  );
});
