import assert from "node:assert/strict";
import test from "node:test";
import {
  DEFAULT_ENCRYPTION,
  DEFAULT_HASH,
  ENCRYPTION_ALGORITHMS,
  equalSecrets,
  HASH_ALGORITHMS,
} from "./index.ts";

test("algorithms: exactly one of each kind is the default of new repositories", () => {
  const defaults = (
    all: readonly { readonly name: string; readonly isDefault: boolean }[],
  ): string[] => all.filter((each) => each.isDefault).map((each) => each.name);
  assert.deepEqual(defaults(HASH_ALGORITHMS), [DEFAULT_HASH]);
  assert.deepEqual(defaults(ENCRYPTION_ALGORITHMS), [DEFAULT_ENCRYPTION]);
});

test("equalSecrets: only the same bytes of the same length are equal", () => {
  const secret = Uint8Array.of(1, 2, 3);
  assert.equal(equalSecrets(secret, Uint8Array.of(1, 2, 3)), true);
  assert.equal(equalSecrets(secret, Uint8Array.of(1, 2, 4)), false);
  assert.equal(equalSecrets(secret, Uint8Array.of(0, 2, 3)), false);
  assert.equal(equalSecrets(secret, Uint8Array.of(1, 2)), false);
  assert.equal(equalSecrets(new Uint8Array(0), new Uint8Array(0)), true);
});
