import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isSejfError } from "../errors/index.ts";
import { numRuns } from "../testkit/property.ts";
import { decodeConfig, decodeToken, encodeConfig, encodeToken } from "./index.ts";

/** As kopia wrote it, with limits. */
const BY_KOPIA = `{
  "storage": {
    "type": "filesystem",
    "config": {
      "path": "/backup/repo",
      "fileMode": 384,
      "dirMode": 448,
      "dirShards": null
    }
  },
  "caching": {
    "cacheDirectory": "kcache",
    "maxCacheSize": 5242880000,
    "maxMetadataCacheSize": 5242880000,
    "maxListCacheDuration": 30
  },
  "hostname": "vm",
  "username": "root",
  "description": "foo",
  "enableActions": false,
  "formatBlobCacheDuration": 900000000000,
  "throttlingLimits": {
    "maxUploadSpeedBytesPerSecond": 1000000,
    "concurrentReads": 5
  }
}`;

test("encodeConfig: gives kopia's bytes back", () => {
  assert.equal(encodeConfig(decodeConfig(BY_KOPIA, "x")), BY_KOPIA);
});

test("decodeConfig: unknown fields survive, inside of the storage too", () => {
  const text = `{"storage":{"type":"s3","config":{"bucket":"b","later":[1]}},"hostname":"h","username":"u","readonly":true,"future":{"a":1},"enableActions":true}`;
  const config = decodeConfig(text, "x");
  assert.equal(config.client.readOnly, true);
  const again = JSON.parse(encodeConfig(config)) as Record<string, unknown>;
  assert.deepEqual(again["future"], { a: 1 });
  assert.deepEqual(again["storage"], { type: "s3", config: { bucket: "b", later: [1] } });
});

test("decodeConfig: says which field is wrong", () => {
  const broken = BY_KOPIA.replace('"vm"', "5");
  assert.throws(() => decodeConfig(broken, "/c"), {
    code: "SEJF_NOT_CONNECTED",
    message: /\/c has a hostname/,
  });
  assert.throws(() => decodeConfig('{"hostname":"h"}', "/c"), {
    code: "SEJF_NOT_CONNECTED",
    message: /neither a storage nor a server/,
  });
  assert.throws(() => decodeConfig("", "/c"), { code: "SEJF_NOT_CONNECTED" });
});

test("decodeConfig: any JSON is a connection or SEJF_NOT_CONNECTED", () => {
  const field = fc.constantFrom(
    "storage",
    "caching",
    "hostname",
    "readonly",
    "throttlingLimits",
    "formatBlobCacheDuration",
    "x",
  );
  const mutated = fc
    .tuple(field, fc.jsonValue())
    .map(([name, value]) => JSON.stringify({ ...(JSON.parse(BY_KOPIA) as object), [name]: value }));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), mutated), (text) => {
      try {
        decodeConfig(encodeConfig(decodeConfig(text, "x")), "x");
      } catch (error) {
        assert.ok(isSejfError(error, "SEJF_NOT_CONNECTED"), String(error));
      }
    }),
    { numRuns: numRuns(100) },
  );
});

/** `repository status -t -s` of kopia. */
const TOKEN_OF_KOPIA =
  "eyJ2ZXJzaW9uIjoiMSIsInN0b3JhZ2UiOnsidHlwZSI6ImZpbGVzeXN0ZW0iLCJjb25maWciOnsicGF0aCI6Ii90bXAvaC9yZXBvIiwiZmlsZU1vZGUiOjM4NCwiZGlyTW9kZSI6NDQ4LCJkaXJTaGFyZHMiOm51bGx9fSwicGFzc3dvcmQiOiJwdyJ9";

test("decodeToken: reads kopia's token, and encodeToken gives it back", () => {
  const token = decodeToken(`${TOKEN_OF_KOPIA}\n`);
  assert.ok("storage" in token);
  assert.equal(token.password, "pw");
  assert.deepEqual(token.storage.config, {
    path: "/tmp/h/repo",
    fileMode: 384,
    dirMode: 448,
    dirShards: null,
  });
  assert.equal(encodeToken(token), TOKEN_OF_KOPIA);
  assert.equal(decodeToken(encodeToken({ ...token, password: undefined })).password, undefined);
});

test("decodeToken: anything else is SEJF_INVALID_ARGUMENT and is not quoted", () => {
  const other = Buffer.from(
    '{"version":"2","storage":{"type":"a","config":{}},"password":"secret"}',
  ).toString("base64url");
  assert.throws(
    () => decodeToken(other),
    (error: Error) =>
      isSejfError(error, "SEJF_INVALID_ARGUMENT") && !error.message.includes("secret"),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.json().map((json) => Buffer.from(json).toString("base64url")),
      ),
      (text) => {
        try {
          decodeToken(text);
        } catch (error) {
          assert.ok(isSejfError(error, "SEJF_INVALID_ARGUMENT"), String(error));
        }
      },
    ),
    { numRuns: numRuns() },
  );
});
