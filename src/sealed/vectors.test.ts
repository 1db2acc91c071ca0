/** Every published vector of the sealed format, against our code; then against nothing but noble and age. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gcm } from "@noble/ciphers/aes.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { argon2id } from "@noble/hashes/argon2.js";
import { bytesToHex, hexToBytes, utf8ToBytes, bytesToUtf8 } from "../bytes/index.ts";
import { portableCompressionEngine } from "../compress/index.ts";
import { portableCryptoEngine as engine } from "../crypto/index.ts";
import { isSejfError } from "../errors/index.ts";
import { type ContentId, padme } from "../format/index.ts";
import { splitAll } from "../splitter/index.ts";
import {
  ACCOUNT_KEY_LABEL,
  type Argon2id,
  authorizeOperation,
  blindedPath,
  ContentSealer,
  ContentsTreeBuilder,
  createSealedSplitter,
  certifyDevice,
  deriveAccountKeys,
  derivePrivateKeys,
  deriveSplitterSecrets,
  formatReference,
  identityToSeed,
  INVITE_LABEL,
  inviteId,
  loginInput,
  openContent,
  openHead,
  operationHash,
  parseCode,
  parseReference,
  printCode,
  signHead,
  type Head,
  type StepUpOperation,
  type StoredDirectory,
  unlockKeyring,
} from "./index.ts";
import { readSealedVectors } from "../testkit/sealed-vectors.ts";
import { unbox } from "./boxed.ts";
import { deriveKey } from "./labels.ts";

const vectors = readSealedVectors();
const { contents } = vectors;
const idHash = engine.contentHash(
  vectors.repositoryHash.name,
  hexToBytes(vectors.repositoryHash.hmacSecret),
);
const keys = await deriveAccountKeys(engine, hexToBytes(vectors.account.seed));
const secrets = { group: hexToBytes(vectors.groupSecret.secret), private: keys.privateSecret };

test("account: every key of the seed", () => {
  const { account } = vectors;
  assert.equal(keys.identity, account.identity);
  assert.equal(bytesToHex(sha256(utf8ToBytes(keys.recipient))), account.recipientSha256);
  assert.equal(bytesToHex(keys.privateSecret), account.privateSecret);
  assert.equal(bytesToHex(keys.accountKey), account.accountKey);
  assert.equal(bytesToHex(keys.signingSeed), account.signingSeed);
  assert.equal(bytesToHex(keys.signingPublicKey), account.signingPublic);
  assert.equal(bytesToHex(identityToSeed(` ${account.identity}\n`)), account.seed);
});

test("printed codes: there and back, and no other kind of code", () => {
  const { account, invite } = vectors;
  const code = printCode(engine, ACCOUNT_KEY_LABEL, keys.accountKey);
  assert.equal(code, account.accountKeyPrinted);
  const typed = ` ${code.toUpperCase().replaceAll("-", " ")} `;
  assert.deepEqual(parseCode(engine, ACCOUNT_KEY_LABEL, typed), keys.accountKey);
  assert.equal(printCode(engine, INVITE_LABEL, hexToBytes(invite.code)), invite.codePrinted);
  assert.throws(() => parseCode(engine, INVITE_LABEL, code), /no invite/);
  assert.throws(() => parseCode(engine, ACCOUNT_KEY_LABEL, code.replace("o", "p")), /account key/);
});

test("padme: the table, and never shorter nor more than 12 % longer", () => {
  for (const [length, padded] of Object.entries(vectors.padme))
    assert.equal(padme(Number(length)), padded, length);
  for (let length = 1; length < 70_000; length += 7) {
    const padded = padme(length);
    assert.ok(padded >= length && padded <= Math.max(length + 1, length * 1.12), String(length));
  }
});

test("contents: sealed as published, and opened again", () => {
  assert.equal(contents.length, 4);
  for (const one of contents) {
    const reference = parseReference(
      `${one.id}~${Buffer.from(one.key, "hex").toString("base64url")}`,
    );
    const plain = openContent(
      engine,
      portableCompressionEngine,
      idHash,
      reference,
      hexToBytes(one.ciphertext),
    );
    if (one.plaintextUtf8 === undefined) {
      assert.equal(bytesToUtf8(plain), "a".repeat(300));
      continue;
    }
    assert.equal(bytesToUtf8(plain), one.plaintextUtf8);
    const sealer = new ContentSealer(engine, portableCompressionEngine, secrets[one.scope], idHash);
    const sealed = sealer.seal(utf8ToBytes(one.plaintextUtf8), { prefix: one.prefix });
    assert.equal(bytesToHex(sealed.ciphertext), one.ciphertext);
    assert.equal(formatReference(sealed.reference), one.reference);
  }
});

test("contents: an independent decoder, made of noble alone, finds the padded text and the key", () => {
  for (const one of contents) {
    const prefixByte = one.prefix === "" ? 0 : one.prefix.charCodeAt(0);
    const aad = Uint8Array.of(...utf8ToBytes("sejf content v1"), prefixByte);
    const ciphertext = hexToBytes(one.ciphertext);
    const padded = gcm(hexToBytes(one.key), new Uint8Array(12), aad).decrypt(ciphertext);
    assert.equal(bytesToHex(padded), one.padded);
    const secret = secrets[one.scope];
    const contentKey = hkdf(sha256, secret, undefined, utf8ToBytes("sejf content key v1"), 32);
    const key = blake3(Uint8Array.of(prefixByte, ...padded), { key: contentKey });
    assert.equal(bytesToHex(key), one.key);
    const id = blake3(ciphertext, { key: hexToBytes(vectors.repositoryHash.hmacSecret) });
    assert.equal(one.prefix + bytesToHex(id), one.id);
  }
});

test("contents: what must be rejected is", () => {
  const messages = [/no padding/, /padded to 33/, /version 2/, /other bytes than its ID/];
  assert.equal(vectors.mustReject.length, messages.length);
  for (const [index, one] of vectors.mustReject.entries())
    assert.throws(
      () =>
        openContent(
          engine,
          portableCompressionEngine,
          idHash,
          parseReference(one.reference),
          hexToBytes(one.ciphertext),
        ),
      (error: unknown) =>
        isSejfError(error, "SEJF_CORRUPT") && (messages[index] as RegExp).test(error.message),
      one.note,
    );
});

test("cuts: the published ones, whatever the pieces", () => {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < (1 << 20) / 32; i++)
    parts.push(sha256(utf8ToBytes(`sejf splitter data ${i}`)));
  const data = new Uint8Array(Buffer.concat(parts));
  const splitterSecrets = deriveSplitterSecrets(engine, secrets.group);
  assert.equal(bytesToHex(splitterSecrets.cutKey), vectors.groupSecret.splitterCutKey);
  assert.deepEqual(
    [...splitterSecrets.table.subarray(0, 8)],
    vectors.groupSecret.splitterTableFirst8.map(Number),
  );
  const splitter = createSealedSplitter(engine, "DYNAMIC-128K-BUZHASH", splitterSecrets);
  assert.deepEqual(splitAll(splitter, data), vectors.splitter.cutOffsets);
  assert.deepEqual(splitAll(splitter, data, 1000), vectors.splitter.cutOffsets);
  const zeros = new Uint8Array(600_000);
  assert.deepEqual(splitAll(splitter, zeros), vectors.splitter.zeros600000CutOffsets);
});

test("blinded path", () => {
  const { source, path, result } = vectors.blindedPath;
  const { pathKey } = derivePrivateKeys(engine, keys.privateSecret);
  assert.equal(bytesToHex(pathKey), vectors.privateSubkeys.pathKey);
  assert.equal(blindedPath(engine, pathKey, source, path), result);
});

test("contents/: leaves, levels and bytes", async () => {
  const stored: string[] = [];
  const build = async (count: number): Promise<StoredDirectory> => {
    stored.length = 0;
    const builder = new ContentsTreeBuilder(async (bytes) => {
      stored.push(bytesToUtf8(bytes));
      return `k${bytesToHex(idHash.hash(bytes))}` as ContentId;
    });
    const ids = Array.from({ length: count }, (_, i) => {
      const hash = bytesToHex(sha256(utf8ToBytes(`sejf vector id ${i}`)));
      return { id: `${i % 10 === 9 ? "k" : ""}${hash}` as ContentId, sizeBytes: 1000 + i };
    });
    if (count > 700) ids.splice(700, 0, ids[3] as (typeof ids)[0]);
    for (const one of ids) await builder.add(one);
    return await builder.finish();
  };
  const whole = await build(1500);
  assert.equal(whole.id, vectors.contentsTree.contentsId);
  assert.deepEqual(whole.summary, vectors.contentsTree.contentsSummary);
  const lengths = stored.map(
    (text) => (JSON.parse(text) as { readonly entries: readonly unknown[] }).entries.length,
  );
  assert.deepEqual(lengths, vectors.contentsTree.leafLengthsPerLevel.flat());
  const three = await build(3);
  assert.equal(stored[0], vectors.contentsTree.threeIds.bytesUtf8);
  assert.equal(three.id, vectors.contentsTree.threeIds.contentsId);
});

test("keyring file: the published one opens with its password and with no other", async () => {
  const { keyring } = vectors;
  const nobleArgon2id: Argon2id = async (password, salt, { memoryKib, passes, lanes }) =>
    new Uint8Array(argon2id(password, salt, { m: memoryKib, t: passes, p: lanes, dkLen: 32 }));
  const b64 = (hex: string): string => Buffer.from(hex, "hex").toString("base64url");
  const file = (changes: object = {}): string =>
    JSON.stringify({
      v: 1,
      m: keyring.argon2id.m,
      t: keyring.argon2id.t,
      p: keyring.argon2id.p,
      salt: b64(keyring.salt),
      nonce: b64(keyring.nonce),
      commit: b64(keyring.commit),
      ct: b64(keyring.ciphertext),
      ...changes,
    });
  const lock = {
    engine,
    argon2id: nobleArgon2id,
    account: keyring.account,
    accountKey: keys.accountKey,
    password: keyring.password,
  };
  assert.equal(bytesToUtf8(await unlockKeyring(lock, file())), keyring.plaintextUtf8);
  await assert.rejects(unlockKeyring({ ...lock, password: "x" }, file()), /wrong password/);
  for (const weak of [{ m: 65_535 }, { m: 2 ** 21 + 1 }, { t: 2 }])
    await assert.rejects(unlockKeyring(lock, file(weak)), /easy to guess|asks for/);
});

test("logins and step-up", () => {
  for (const purpose of ["login", "delete"] as const) {
    const { password, input } = vectors.opaqueInputs[purpose];
    assert.equal(loginInput(engine, keys.accountKey, password, purpose), input);
  }
  const { stepUp } = vectors;
  const operation = JSON.parse(stepUp.operationUtf8) as StepUpOperation;
  const shuffled = Object.fromEntries(Object.entries(operation).toReversed()) as unknown;
  assert.equal(
    bytesToHex(operationHash(engine, shuffled as StepUpOperation)),
    stepUp.operationHash,
  );
  const sessionKey = hexToBytes(stepUp.opaqueSessionKey);
  assert.equal(bytesToHex(authorizeOperation(engine, sessionKey, operation)), stepUp.authorisation);
});

test("heads and certificates", () => {
  const { head } = vectors;
  const device = { id: "d1d2d3d4d5d6d7d8", key: hexToBytes(head.devicePublic) };
  assert.equal(certifyDevice(keys.signingSeed, device), head.certUtf8);
  const payload = JSON.parse(head.payloadUtf8) as Head;
  assert.equal(signHead(hexToBytes(head.deviceSeed), payload), head.fileUtf8);
  const opened = openHead(engine, keys.signingPublicKey, head.fileUtf8);
  assert.equal(opened.sha256, head.sha256);
  assert.equal(opened.head.seq, 1);
  const other = signHead(hexToBytes(vectors.account.seed), payload);
  assert.throws(() => openHead(engine, keys.signingPublicKey, other), /signature/);
  assert.throws(() => openHead(engine, device.key, head.fileUtf8), /signature/);
});

test("invitations", () => {
  const { invite } = vectors;
  const code = hexToBytes(invite.code);
  assert.equal(inviteId(engine, code), invite.id);
  const key = deriveKey(engine, code, "sejf invite v1");
  assert.equal(bytesToHex(key), invite.key);
  const boxed = { nonce: hexToBytes(invite.nonce), ct: hexToBytes(invite.ciphertext) };
  assert.equal(bytesToUtf8(unbox("sejf invite v1", key, boxed)), invite.plaintextUtf8);
  assert.equal(bytesToHex(deriveKey(engine, code, "sejf join v1")), invite.joinKey);
});
