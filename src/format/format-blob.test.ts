/** The format blob, its keys and what is sealed with them, against values made by kopia. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToHex, bytesToUtf8, hexToBytes, utf8ToBytes } from "../bytes/index.ts";
import { deriveContentKeyBase, portableCryptoEngine } from "../crypto/index.ts";
import { isSejfError } from "../errors/index.ts";
import { nodeCryptoEngine } from "../node/index.ts";
import { goldenVectors } from "../testkit/golden.ts";
import { numRuns } from "../testkit/property.ts";
import { SeededRandom } from "../testkit/random.ts";
import {
  createFormat,
  decodeFormatBlob,
  deriveFormatKey,
  deriveKeys,
  encodeFormatBlob,
  findFormatBlobCopy,
  formatBlobCopy,
  NO_BLOB_CONFIG,
  openBlobConfig,
  openFormat,
  openMaintenanceSchedule,
  sealBlobConfig,
  sealFormat,
  sealMaintenanceSchedule,
} from "./index.ts";
import { decodeBlobConfig, encodeBlobConfig } from "./blob-config.ts";
import { openWithFormatKey, passwordBoxKeys } from "./password-box.ts";
import { decodeFormat, encodeFormat } from "./repository-format.ts";

interface FormatVector {
  readonly aad: string;
  readonly aesKey: string;
  readonly blobcfgHex: string;
  readonly blobcfgPlainJSON: string;
  readonly formatBlob: string;
  readonly formatKey: string;
  readonly password: string;
  readonly plainJSON: string;
}

const vectors = goldenVectors<readonly FormatVector[]>("format");
const engine = nodeCryptoEngine;

for (const [i, vector] of vectors.entries()) {
  const blob = decodeFormatBlob(utf8ToBytes(vector.formatBlob));
  const key = hexToBytes(vector.formatKey);

  test(`format vector ${i}: the blob is written again byte by byte`, () => {
    assert.equal(bytesToUtf8(encodeFormatBlob(blob)), vector.formatBlob);
  });

  test(`format vector ${i}: password to format key, key and additional data`, async () => {
    assert.equal(
      bytesToHex(await deriveFormatKey(engine, blob, vector.password)),
      vector.formatKey,
    );
    const keys = passwordBoxKeys(portableCryptoEngine, blob.uniqueId, key);
    assert.equal(bytesToHex(keys.key), vector.aesKey);
    assert.equal(bytesToHex(keys.aad), vector.aad);
  });

  test(`format vector ${i}: the format inside is read and written again byte by byte`, () => {
    const format = openFormat(portableCryptoEngine, blob, key);
    assert.equal(bytesToUtf8(encodeFormat(format)), vector.plainJSON);
    const sealed = sealFormat(engine, blob, key, format, new SeededRandom(1));
    assert.notDeepEqual(sealed.encryptedFormat, blob.encryptedFormat);
    assert.deepEqual(openFormat(engine, decodeFormatBlob(encodeFormatBlob(sealed)), key), format);
  });

  test(`format vector ${i}: kopia.blobcfg`, () => {
    const bytes = hexToBytes(vector.blobcfgHex);
    assert.equal(
      bytesToUtf8(openWithFormatKey(engine, blob.uniqueId, key, bytes)),
      vector.blobcfgPlainJSON,
    );
    const config = openBlobConfig(engine, blob, key, bytes);
    assert.equal(config.retentionMode, "GOVERNANCE");
    assert.equal(config.retentionPeriodNs, 172_800_000_000_000n);
    assert.equal(bytesToUtf8(encodeBlobConfig(config)), vector.blobcfgPlainJSON);
    const sealed = sealBlobConfig(engine, blob, key, config, new SeededRandom(2));
    assert.deepEqual(openBlobConfig(engine, blob, key, sealed), config);
  });
}

test("sealBlobConfig: no retention is 30 bytes; half of one or a short one is refused", () => {
  const blob = decodeFormatBlob(utf8ToBytes(vectors[0]!.formatBlob));
  const seal = (config: typeof NO_BLOB_CONFIG): number =>
    sealBlobConfig(engine, blob, new Uint8Array(32), config, new SeededRandom(3)).byteLength;
  assert.equal(seal(NO_BLOB_CONFIG), 30);
  assert.throws(() => seal({ ...NO_BLOB_CONFIG, retentionMode: "COMPLIANCE" }), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  assert.throws(
    () => seal({ retentionMode: "COMPLIANCE", retentionPeriodNs: 3_600_000_000_000n, unknown: {} }),
    {
      code: "SEJF_INVALID_ARGUMENT",
    },
  );
});

test("openFormat: a wrong key and a damaged blob are both an invalid password with a hint", () => {
  const blob = decodeFormatBlob(utf8ToBytes(vectors[0]!.formatBlob));
  const key = hexToBytes(vectors[0]!.formatKey);
  const damaged = { ...blob, encryptedFormat: blob.encryptedFormat.slice(0, 20) };
  for (const open of [
    () => openFormat(engine, blob, new Uint8Array(32)),
    () => openFormat(engine, damaged, key),
  ]) {
    assert.throws(
      open,
      (error) => isSejfError(error, "SEJF_INVALID_PASSWORD") && error.hint !== undefined,
    );
  }
});

test("deriveFormatKey: an unknown or empty derivation is refused", async () => {
  for (const keyAlgorithm of ["", "testing-only-insecure"]) {
    await assert.rejects(
      deriveFormatKey(engine, { uniqueId: new Uint8Array(32), keyAlgorithm }, "x"),
      {
        code: "SEJF_UNSUPPORTED_FORMAT",
      },
    );
  }
});

test("decodeFormatBlob: any case of names, absent informational members, unknown members kept", () => {
  const text = `{"UNIQUEID":"AAECAwQFBgcICQoLDA0ODw==","keyalgo":"scrypt-65536-8-1","Encryption":"AES256_GCM","later":{"big":9223372036854775807,"a":[1,"<"]}}`;
  const blob = decodeFormatBlob(utf8ToBytes(text));
  assert.equal(blob.tool, undefined);
  assert.equal(blob.keyAlgorithm, "scrypt-65536-8-1");
  const again = decodeFormatBlob(encodeFormatBlob(blob));
  assert.deepEqual(again, blob);
  assert.match(bytesToUtf8(encodeFormatBlob(blob)), /"big": 9223372036854775807/);
});

test("decodeFormatBlob: a short unique ID, another type and no object are SEJF_CORRUPT", () => {
  for (const text of [
    '{"uniqueID":"AAEC"}',
    '{"uniqueID":5}',
    "[]",
    "null",
    "",
    '{"uniqueID":"AAECAwQFBgcICQoLDA0ODw==","tool":1}',
  ]) {
    assert.throws(() => decodeFormatBlob(utf8ToBytes(text)), { code: "SEJF_CORRUPT" }, text);
  }
});

test("decodeFormat: defaults, refused versions, unknown members and huge durations", () => {
  const inner = `"masterKey":"AAEC","epochParameters":{"Enabled":true,"MinEpochDuration":9223372036854775807,"New":1},"enablePasswordChange":true`;
  const format = decodeFormat(
    utf8ToBytes(`{"format":{"version":3,${inner},"extra":"kept"},"around":7}`),
  );
  assert.equal(format.maxPackSize, 20 << 20);
  assert.equal(format.indexVersion, 1);
  assert.equal(format.epochParameters.minEpochDurationNs, 2n ** 63n - 1n);
  const text = bytesToUtf8(encodeFormat(format));
  assert.match(text, /"MinEpochDuration":9223372036854775807,/);
  assert.match(text, /"New":1\}/);
  assert.match(text, /"extra":"kept"\},"around":7\}$/);
  assert.deepEqual(decodeFormat(utf8ToBytes(text)), format);
  for (const start of [
    `"version":4`,
    `"version":0`,
    `"version":3,"indexVersion":3`,
    `"version":3,"maxPackSize":2000000000`,
  ]) {
    assert.throws(
      () => decodeFormat(utf8ToBytes(`{"format":{${start},${inner}}}`)),
      { code: "SEJF_UNSUPPORTED_FORMAT" },
      start,
    );
  }
  assert.throws(() => decodeFormat(utf8ToBytes(`{"format":{"version":3}}`)), {
    code: "SEJF_CORRUPT",
  });
});

test("deriveKeys: kopia's values, from the secrets or from the password", () => {
  const vector = goldenVectors<Readonly<Record<string, string>>>("derivedKeys");
  const hex = (name: string): Uint8Array<ArrayBuffer> => hexToBytes(vector[name]!);
  const format = { secret: hex("secret"), masterKey: hex("masterKey"), enablePasswordChange: true };
  const blob = { uniqueId: hex("uniqueID") };
  for (const one of [engine, portableCryptoEngine]) {
    const keys = deriveKeys(one, blob, new Uint8Array(32), format);
    assert.equal(bytesToHex(keys.localCacheIntegrity), vector["localCacheIntegrity"]);
    assert.equal(bytesToHex(keys.maintenanceSchedule), vector["maintenanceSchedule"]);
    assert.equal(
      bytesToHex(deriveContentKeyBase(one, format.masterKey)),
      vector["contentKeySecret"],
    );
  }
  const old = { ...format, enablePasswordChange: false };
  const fromPassword = deriveKeys(engine, blob, hex("masterKey"), old);
  assert.equal(bytesToHex(fromPassword.maintenanceSchedule), vector["maintenanceSchedule"]);
  assert.notEqual(bytesToHex(fromPassword.localCacheIntegrity), vector["localCacheIntegrity"]);
});

interface UpperLayers {
  readonly maintenanceSchedule: {
    readonly keyHex: string;
    readonly text: string;
    readonly blobHex: string;
  };
  readonly formatBlobCopy: { readonly formatBlob: string; readonly hex: string };
}

test("kopia.maintenance opens and seals", () => {
  const { keyHex, text, blobHex } = goldenVectors<UpperLayers>("upperLayers").maintenanceSchedule;
  const key = hexToBytes(keyHex);
  assert.equal(bytesToUtf8(openMaintenanceSchedule(engine, key, hexToBytes(blobHex))), text);
  const sealed = sealMaintenanceSchedule(engine, key, utf8ToBytes(text), new SeededRandom(4));
  assert.equal(bytesToUtf8(openMaintenanceSchedule(engine, key, sealed)), text);
  assert.throws(() => openMaintenanceSchedule(engine, key, sealed.subarray(0, 20)), {
    code: "SEJF_CORRUPT",
  });
});

test("formatBlobCopy: kopia's bytes, found at the head and at the tail of a pack", () => {
  const { formatBlob, hex } = goldenVectors<UpperLayers>("upperLayers").formatBlobCopy;
  const copy = formatBlobCopy(engine, utf8ToBytes(formatBlob));
  assert.equal(bytesToHex(copy), hex);
  const noise = new SeededRandom(5).bytes(1000);
  const head = Uint8Array.from([...copy, ...noise]);
  const tail = Uint8Array.from([...noise, ...copy]);
  assert.equal(bytesToUtf8(findFormatBlobCopy(engine, head, noise)!), formatBlob);
  assert.equal(bytesToUtf8(findFormatBlobCopy(engine, noise, tail)!), formatBlob);
  head[5]! ^= 1;
  assert.equal(findFormatBlobCopy(engine, head, noise), undefined);
  assert.equal(findFormatBlobCopy(engine, new Uint8Array(1), new Uint8Array(0)), undefined);
  assert.throws(() => formatBlobCopy(engine, new Uint8Array(65000)), {
    code: "SEJF_INVALID_ARGUMENT",
  });
});

test("createFormat: sejf's defaults, and what goes with each version", () => {
  const { blob, format } = createFormat({}, new SeededRandom(6));
  assert.equal(format.hash, "BLAKE3-256");
  assert.equal(format.encryption, "AES256-GCM-HMAC-SHA256");
  assert.equal(format.splitter, "DYNAMIC-4M-BUZHASH");
  assert.deepEqual(
    [
      format.version,
      format.indexVersion,
      format.epochParameters.enabled,
      format.enablePasswordChange,
    ],
    [3, 2, true, true],
  );
  assert.deepEqual(
    [blob.uniqueId.length, format.secret.length, format.masterKey.length],
    [32, 32, 32],
  );
  const old = createFormat({ version: 1 }, new SeededRandom(6)).format;
  assert.deepEqual(
    [old.indexVersion, old.epochParameters.enabled, old.enablePasswordChange],
    [1, false, false],
  );
  const ecc = createFormat(
    { version: 2, ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 2 },
    new SeededRandom(6),
  ).format;
  assert.deepEqual([ecc.ecc, ecc.eccOverheadPercent], ["REED-SOLOMON-CRC32", 2]);
});

test("createFormat: what cannot be is refused by name", () => {
  const random = new SeededRandom(7);
  assert.throws(() => createFormat({ version: 4 }, random), { code: "SEJF_INVALID_ARGUMENT" });
  assert.throws(
    () => createFormat({ version: 1, ecc: "REED-SOLOMON-CRC32", eccOverheadPercent: 2 }, random),
    {
      code: "SEJF_INVALID_ARGUMENT",
    },
  );
  assert.throws(() => createFormat({ maxPackSize: 1 << 20 }, random), {
    code: "SEJF_INVALID_ARGUMENT",
  });
  for (const options of [
    { hash: "MD5" },
    { encryption: "NONE" },
    { splitter: "X" },
    { keyAlgorithm: "x" },
    { ecc: "X", eccOverheadPercent: 1 },
  ]) {
    assert.throws(() => createFormat(options, random), { code: "SEJF_UNSUPPORTED" });
  }
});

const documents = [
  [decodeFormatBlob, vectors[0]!.formatBlob],
  [decodeFormat, vectors[1]!.plainJSON],
  [decodeBlobConfig, vectors[0]!.blobcfgPlainJSON],
] as const;

test("decoders of JSON: random and damaged bytes give a value or a SejfError of theirs", () => {
  const check = (decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void => {
    try {
      decode(bytes);
    } catch (error) {
      assert.ok(
        isSejfError(error, "SEJF_CORRUPT") || isSejfError(error, "SEJF_UNSUPPORTED_FORMAT"),
        String(error),
      );
    }
  };
  for (const [decode, text] of documents) {
    const original = utf8ToBytes(text);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(original.length - 1),
        fc.string({ maxLength: 4 }),
        (random, at, patch) => {
          check(decode, random);
          check(decode, utf8ToBytes(text.slice(0, at) + patch + text.slice(at + 1)));
          check(decode, original.subarray(0, at));
        },
      ),
      { numRuns: numRuns() },
    );
    check(decode, utf8ToBytes("[".repeat(1_000_000)));
  }
});

test("decoders of JSON: any value under any member gives a value or a SejfError of theirs", () => {
  const names = [
    "uniqueID",
    "keyAlgo",
    "format",
    "epochParameters",
    "upgradeLock",
    "requiredFeatures",
    "retentionPeriod",
    "version",
  ];
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 3 })),
      (value) => {
        for (const [decode] of documents) {
          for (const each of [
            value,
            { format: value },
            { format: { version: 3, masterKey: "AAAA", ...value } },
          ]) {
            try {
              decode(utf8ToBytes(JSON.stringify(each)));
            } catch (error) {
              assert.ok(
                isSejfError(error, "SEJF_CORRUPT") || isSejfError(error, "SEJF_UNSUPPORTED_FORMAT"),
                String(error),
              );
            }
          }
        }
      },
    ),
    { numRuns: numRuns(50) },
  );
});
