/** What every crypto engine must do: kopia's golden values, published vectors, and the laws of an AEAD. */
import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import {
  bytesToHex,
  concatBytes,
  copyBytes,
  hexToBytes,
  type Random,
  utf8ToBytes,
} from "../bytes/index.ts";
import {
  type AeadName,
  createContentCipher,
  type CryptoEngine,
  deriveContentKeyBase,
  ENCRYPTION_ALGORITHMS,
  HASH_ALGORITHMS,
} from "../crypto/index.ts";
import { goldenVectors } from "./golden.ts";
import { numRuns } from "./property.ts";

interface HashVectors {
  readonly inputsHex: readonly string[];
  readonly cases: readonly {
    readonly algorithm: string;
    readonly secretHex: string;
    readonly hashes?: readonly string[];
  }[];
}

interface EncryptionVector {
  readonly algorithm: string;
  readonly masterKeyHex: string;
  readonly ivHex: string;
  readonly plainHex: string;
  readonly encryptedHex: string;
}

interface FormatVector {
  readonly formatBlob: string;
  readonly password: string;
  readonly formatKey: string;
  readonly aesKey: string;
  readonly aad: string;
}

const AEADS: readonly AeadName[] = ["aes-256-gcm", "chacha20-poly1305"];
const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i);
const IV = Uint8Array.from({ length: 16 }, (_, i) => 0x20 + i);

/** Sizes around the borders at which engines change their ways: blocks, BLAKE3 trees, 16 KiB, 64 KiB pieces. */
const LENGTHS = [
  0, 1, 16, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 4096, 16383, 16384, 16385, 65535, 65536,
  65537, 200_001,
];

/** Registers the tests for one engine. */
export function cryptoEngineContract(engine: CryptoEngine): void {
  const name = engine.name;
  hashTests(name, engine);
  derivationTests(name, engine);
  aeadTests(name, engine);
  contentCipherTests(name, engine);
  secrecyTests(name, engine);
}

function hashTests(name: string, engine: CryptoEngine): void {
  test(`${name}: content hashes of every algorithm are kopia's`, () => {
    const vectors = goldenVectors<HashVectors>("hashing");
    assert.deepEqual(
      [...new Set(vectors.cases.map((each) => each.algorithm))].toSorted(),
      HASH_ALGORITHMS.map((each) => each.name).toSorted(),
    );
    for (const { algorithm, secretHex, hashes } of vectors.cases) {
      if (hashes === undefined || hashes.length === 0) {
        assert.throws(() => engine.contentHash(algorithm, hexToBytes(secretHex)), {
          code: "SEJF_UNSUPPORTED",
        });
        continue;
      }
      const hash = engine.contentHash(algorithm, hexToBytes(secretHex));
      const found = vectors.inputsHex.map((input) => bytesToHex(hash.hash(hexToBytes(input))));
      assert.deepEqual(found, hashes, `${algorithm} with secret "${secretHex}"`);
      assert.equal(hash.lengthBytes * 2, hashes[0]?.length);
      assert.equal(hash.algorithm, algorithm);
    }
  });

  test(`${name}: an unknown hash and a secret too long for it are SEJF_UNSUPPORTED`, () => {
    assert.throws(() => engine.contentHash("MD5", SECRET), { code: "SEJF_UNSUPPORTED" });
    assert.throws(() => engine.contentHash("BLAKE2S-256", new Uint8Array(33)), {
      code: "SEJF_UNSUPPORTED",
    });
    assert.throws(() => engine.contentHash("BLAKE2B-256", new Uint8Array(65)), {
      code: "SEJF_UNSUPPORTED",
    });
    assert.equal(engine.contentHash("BLAKE2B-256", new Uint8Array(64)).hash(IV).length, 32);
  });

  test(`${name}: BLAKE3 takes the first 32 bytes of a longer secret`, () => {
    const long = Uint8Array.from({ length: 50 }, (_, i) => i);
    const hash = engine.contentHash("BLAKE3-256", long).hash(IV);
    assert.deepEqual(hash, engine.contentHash("BLAKE3-256", SECRET).hash(IV));
  });

  test(`${name}: a hash keeps its secret when the caller's array is wiped`, () => {
    for (const { name: algorithm } of HASH_ALGORITHMS) {
      const secret = copyBytes(SECRET);
      const hash = engine.contentHash(algorithm, secret);
      const before = hash.hash(IV);
      secret.fill(0);
      assert.deepEqual(hash.hash(IV), before, algorithm);
    }
  });

  test(`${name}: a hash depends on the bytes of a view alone, shared memory or not`, () => {
    for (const { name: algorithm } of HASH_ALGORITHMS) {
      const hash = engine.contentHash(algorithm, SECRET);
      const shared = new Uint8Array(new SharedArrayBuffer(300)).fill(7, 3, 203);
      assert.deepEqual(
        hash.hash(shared.subarray(3, 203)),
        hash.hash(new Uint8Array(200).fill(7)),
        algorithm,
      );
    }
  });

  test(`${name}: many hashes at once are those of each`, () => {
    const lengths = Uint32Array.of(0, 1, 64, 1024, 1025, 0, 3000, 20_000, 70_000, 5, 0);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const data = Uint8Array.from({ length: total }, (_, i) => (i * 7) ^ (i >>> 8));
    for (const { name: algorithm } of HASH_ALGORITHMS) {
      const hash = engine.contentHash(algorithm, SECRET);
      let at = 0;
      const each = Array.from(lengths, (length) => hash.hash(data.subarray(at, (at += length))));
      assert.deepEqual(hash.hashMany(data, lengths), concatBytes(...each), algorithm);
      assert.equal(hash.hashMany(data, new Uint32Array(0)).length, 0);
    }
  });

  test(`${name}: sha256 and hmacSha256 give the published values`, () => {
    assert.equal(
      bytesToHex(engine.sha256(utf8ToBytes("abc"))),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    assert.equal(
      bytesToHex(
        engine.hmacSha256(utf8ToBytes("Jefe"), utf8ToBytes("what do ya want for nothing?")),
      ),
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    assert.equal(
      bytesToHex(engine.hmacSha256(new Uint8Array(0), new Uint8Array(0))),
      "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
    );
  });
}

function derivationTests(name: string, engine: CryptoEngine): void {
  test(`${name}: keys derived from the repository's secrets are kopia's`, () => {
    const keys = goldenVectors<Readonly<Record<string, string>>>("derivedKeys");
    const of = (key: string): Uint8Array => hexToBytes(String(keys[key]));
    const derive = (ikm: string, info: string, length: number): string =>
      bytesToHex(engine.hkdfSha256(of(ikm), of("uniqueID"), utf8ToBytes(info), length));
    assert.equal(
      bytesToHex(deriveContentKeyBase(engine, of("masterKey"))),
      keys["contentKeySecret"],
    );
    assert.equal(derive("secret", "local-cache-integrity", 16), keys["localCacheIntegrity"]);
    assert.equal(derive("masterKey", "maintenance schedule", 32), keys["maintenanceSchedule"]);
  });

  test(`${name}: scrypt gives the value of RFC 7914`, async () => {
    const params = { cost: 1024, blockSize: 8, parallelization: 16, length: 64 };
    const key = await engine.scrypt(utf8ToBytes("password"), utf8ToBytes("NaCl"), params);
    assert.equal(
      bytesToHex(key),
      "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
    );
  });

  test(`${name}: PBKDF2 gives the value of RFC 7914`, async () => {
    const key = await engine.pbkdf2Sha256(utf8ToBytes("passwd"), utf8ToBytes("salt"), 1, 64);
    assert.equal(
      bytesToHex(key),
      "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
    );
  });

  test(`${name}: the key of the format blob is kopia's`, async () => {
    const salt = hexToBytes(
      String(goldenVectors<Readonly<Record<string, string>>>("derivedKeys")["uniqueID"]),
    );
    const params = { cost: 65536, blockSize: 8, parallelization: 1, length: 32 };
    const vectors = Map.groupBy(
      goldenVectors<readonly FormatVector[]>("format"),
      (each) => each.formatKey,
    );
    for (const [vector] of vectors.values()) {
      assert.ok(vector !== undefined);
      const password = utf8ToBytes(vector.password);
      const key = vector.formatBlob.includes('"pbkdf2-sha256-600000"')
        ? await engine.pbkdf2Sha256(password, salt, 600_000, 32)
        : await engine.scrypt(password, salt, params);
      assert.equal(bytesToHex(key), vector.formatKey);
      assert.equal(bytesToHex(engine.hkdfSha256(key, salt, utf8ToBytes("AES"), 32)), vector.aesKey);
      assert.equal(
        bytesToHex(engine.hkdfSha256(key, salt, utf8ToBytes("CHECKSUM"), 32)),
        vector.aad,
      );
    }
    assert.equal(vectors.size, 2);
  });
}

function aeadTests(name: string, engine: CryptoEngine): void {
  const key = new Uint8Array(32).fill(9);
  const nonce = new Uint8Array(12).fill(3);

  test(`${name}: AES-256-GCM gives the value of the GCM specification (test case 16)`, () => {
    const sealed = engine.seal(
      "aes-256-gcm",
      hexToBytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
      hexToBytes("cafebabefacedbaddecaf888"),
      hexToBytes(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      ),
      hexToBytes("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
    );
    assert.equal(
      bytesToHex(sealed),
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
    );
  });

  for (const aead of AEADS) {
    test(`${name}: ${aead} opens what it sealed, at every length, into arrays of their own`, () => {
      for (const length of LENGTHS) {
        const plaintext = Uint8Array.from({ length }, (_, i) => i * 7);
        const sealed = engine.seal(aead, key, nonce, plaintext, IV);
        const opened = engine.open(aead, key, nonce, sealed, IV);
        assert.equal(sealed.byteLength, length + 16);
        assert.deepEqual(opened, plaintext, `${length} bytes`);
        for (const owned of [sealed, opened])
          assert.equal(owned.buffer.byteLength, owned.byteLength);
      }
    });

    test(`${name}: ${aead} refuses any flipped bit, another key, nonce or additional data, and short data`, () => {
      const plaintext = fc.uint8Array({ maxLength: 100 });
      const property = fc.property(plaintext, fc.nat(), fc.nat(7), (data, at, bit) => {
        const sealed = engine.seal(aead, key, nonce, data, IV);
        const broken = copyBytes(sealed);
        broken[at % broken.length]! ^= 1 << bit;
        const refused = { code: "SEJF_CORRUPT" };
        assert.throws(() => engine.open(aead, key, nonce, broken, IV), refused);
        assert.throws(
          () => engine.open(aead, key, nonce, sealed.subarray(0, at % sealed.length), IV),
          refused,
        );
        assert.throws(() => engine.open(aead, SECRET, nonce, sealed, IV), refused);
        assert.throws(() => engine.open(aead, key, new Uint8Array(12), sealed, IV), refused);
        assert.throws(() => engine.open(aead, key, nonce, sealed, new Uint8Array(0)), refused);
      });
      fc.assert(property, { numRuns: numRuns() });
    });

    test(`${name}: ${aead} with a key or nonce of the wrong length is a RangeError`, () => {
      assert.throws(() => engine.seal(aead, new Uint8Array(16), nonce, IV, IV), RangeError);
      assert.throws(() => engine.seal(aead, key, new Uint8Array(24), IV, IV), RangeError);
      assert.throws(() => engine.open(aead, new Uint8Array(31), nonce, IV, IV), RangeError);
    });
  }
}

function contentCipherTests(name: string, engine: CryptoEngine): void {
  test(`${name}: contents encrypted by kopia decrypt, and encrypt to the same bytes with the same nonce`, () => {
    const vectors = goldenVectors<readonly EncryptionVector[]>("encryption");
    for (const { algorithm, masterKeyHex, ivHex, plainHex, encryptedHex } of vectors) {
      const random: Random = { bytes: (length) => hexToBytes(encryptedHex.slice(0, 2 * length)) };
      const cipher = createContentCipher(engine, algorithm, hexToBytes(masterKeyHex), random);
      const iv = hexToBytes(ivHex);
      assert.equal(bytesToHex(cipher.decrypt(hexToBytes(encryptedHex), iv)), plainHex);
      assert.equal(bytesToHex(cipher.encrypt(hexToBytes(plainHex), iv)), encryptedHex);
      assert.equal(cipher.overheadBytes, 28);
    }
    const seen = new Set(vectors.map((each) => each.algorithm));
    assert.deepEqual(
      [...seen].toSorted(),
      ENCRYPTION_ALGORITHMS.map((each) => each.name).toSorted(),
    );
  });

  test(`${name}: a content under another IV, or shorter than nonce and tag, is SEJF_CORRUPT`, () => {
    const random: Random = { bytes: (length) => new Uint8Array(length).fill(5) };
    for (const { name: algorithm } of ENCRYPTION_ALGORITHMS) {
      const cipher = createContentCipher(engine, algorithm, SECRET, random);
      const encrypted = cipher.encrypt(utf8ToBytes("data"), IV);
      assert.throws(() => cipher.decrypt(encrypted, new Uint8Array(16)), { code: "SEJF_CORRUPT" });
      for (let length = 0; length < encrypted.length; length++) {
        assert.throws(() => cipher.decrypt(encrypted.subarray(0, length), IV), {
          code: "SEJF_CORRUPT",
        });
      }
    }
    assert.throws(() => createContentCipher(engine, "NONE", SECRET, random), {
      code: "SEJF_UNSUPPORTED",
    });
  });
}

function secrecyTests(name: string, engine: CryptoEngine): void {
  test(`${name}: secrets show neither in inspect nor in JSON`, () => {
    const secret = new Uint8Array(32).fill(0xe7); // 231 in inspect and JSON, e7 in hexadecimal
    const random: Random = { bytes: (length) => new Uint8Array(length) };
    const holders = [
      ...HASH_ALGORITHMS.map((each) => engine.contentHash(each.name, secret)),
      ...ENCRYPTION_ALGORITHMS.map((each) =>
        createContentCipher(engine, each.name, secret, random),
      ),
    ];
    for (const holder of holders) {
      const shown = inspect(holder, { depth: Infinity, showHidden: true }) + JSON.stringify(holder);
      assert.doesNotMatch(shown, /231|e7|Uint8Array|Buffer/i, shown);
    }
  });
}
