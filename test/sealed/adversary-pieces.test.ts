/**
 * What pieces and messages could give away, and do not: tags of other bytes, keys that meet twice, cuts that name a file,
 * lengths that tell what is in them, passwords on the wire, parameters that make guessing cheap.
 */
import assert from "node:assert/strict";
import { OutgoingMessage } from "node:http";
import { test } from "node:test";
import { bytesToHex } from "../../src/bytes/index.ts";
import {
  nodeCompressionEngine as compression,
  nodeCryptoEngine as engine,
} from "../../src/node/index.ts";
import { compressorByName, type CompressorId } from "../../src/compress/index.ts";
import { padme, padSealed, SEALED_NONCE, sealedAad } from "../../src/format/index.ts";
import {
  ContentSealer,
  createSealedSplitter,
  deriveSplitterSecrets,
  openContent,
  type SealedContent,
} from "../../src/sealed/index.ts";
import { splitAll } from "../../src/splitter/index.ts";
import { AccountClient, logIn, unlockAccount } from "../../src/sealing/index.ts";
import { Person, refusal } from "../../src/testkit/sealed-groups.ts";
import { SeededRandom } from "../../src/testkit/random.ts";
import { DELETE_PASSWORD, SEALED_PASSWORD, SealedServer } from "../../src/testkit/sealed-server.ts";
import { ALICE } from "./adversary-support.ts";

const CORRUPT = { code: "SEJF_CORRUPT" };
const SECRET = new SeededRandom(1).bytes(32);
const OTHER = new SeededRandom(2).bytes(32);
const idHash = engine.contentHash("BLAKE3-256", new SeededRandom(3).bytes(32));
const sealer = new ContentSealer(engine, compression, SECRET, idHash);
const ZSTD: CompressorId = compressorByName("zstd-fastest", compression).id;
const HEADER_BYTES = 5;

function open({ reference, ciphertext }: SealedContent): Uint8Array {
  return openContent(engine, compression, idHash, reference, ciphertext);
}

test("attacks 4, 5: who knows the key makes another ciphertext that decrypts, and no reader takes it", () => {
  const { reference, ciphertext } = sealer.seal(new SeededRandom(4).bytes(5000), { prefix: "" });
  const room = new Uint8Array(ciphertext.length).fill(1, 0, 1);
  const plain = room.subarray(0, padSealed(room, HEADER_BYTES + 4000));
  const forged = engine.seal("aes-256-gcm", reference.key, SEALED_NONCE, plain, sealedAad(0));
  engine.open("aes-256-gcm", reference.key, SEALED_NONCE, forged, sealedAad(0));
  assert.throws(() => open({ reference, ciphertext: forged }), CORRUPT);
  // GCM does not commit to its key: the name does, and another key opens nothing that has it.
  const key = reference.key.map((byte, at) => (at === 0 ? byte ^ 1 : byte));
  assert.throws(() => open({ reference: { ...reference, key }, ciphertext }), CORRUPT);
  assert.equal(open({ reference, ciphertext }).length, 5000);
});

test("attack 29: one key never meets two messages, whatever differs: data, prefix, compressor, length, secret", () => {
  const data = new Uint8Array(40_000).fill(7);
  const longer = new Uint8Array(40_001).fill(7);
  const other = data.map((byte, at) => (at === 39_999 ? 8 : byte));
  const stranger = new ContentSealer(engine, compression, OTHER, idHash);
  const sealed = [
    sealer.seal(data, { prefix: "" }),
    sealer.seal(data, { prefix: "k" }),
    sealer.seal(data, { prefix: "x" }),
    sealer.seal(data, { prefix: "", compressor: ZSTD }),
    sealer.seal(longer, { prefix: "" }),
    sealer.seal(other, { prefix: "" }),
    stranger.seal(data, { prefix: "" }),
  ];
  const keys = new Set(sealed.map(({ reference }) => bytesToHex(reference.key)));
  assert.equal(keys.size, sealed.length);
  assert.deepEqual(sealer.seal(data, { prefix: "" }), sealed[0], "and equal ones are equal");
});

test("attacks 8, 9: without compression a length tells no more than the chunk's padded length", () => {
  const lengthOf = (data: Uint8Array, compressor?: CompressorId): number =>
    sealer.seal(data, { prefix: "", compressor }).ciphertext.length;
  for (const length of [0, 1, 1000, 40_000, 1_000_000]) {
    const noise = new SeededRandom(length).bytes(length);
    const expected = padme(HEADER_BYTES + length + 1) + 16;
    assert.equal(lengthOf(noise), expected);
    assert.equal(lengthOf(new Uint8Array(length)), expected);
    assert.equal(lengthOf(noise, ZSTD), expected, "what does not get shorter is stored as it is");
  }
  const zeros = new Uint8Array(1_000_000);
  assert.notEqual(lengthOf(zeros, ZSTD), lengthOf(zeros), "compression tells, and is a choice");
});

test("attack 7: where a known file is cut depends on a secret, and nothing of it on another one's cuts", () => {
  const file = new SeededRandom(5).bytes(16 << 20);
  const cuts = (secret: Uint8Array): readonly number[] => {
    const secrets = deriveSplitterSecrets(engine, secret);
    return splitAll(createSealedSplitter(engine, "DYNAMIC-128K-BUZHASH", secrets), file);
  };
  const [own, others] = [cuts(SECRET), cuts(OTHER)];
  assert.ok(own.length > 50 && others.length > 50);
  assert.deepEqual(cuts(SECRET), own);
  const known = new Set(own);
  assert.ok(
    others.filter((cut) => known.has(cut)).length <= 2,
    "the end of the file, and one by chance",
  );
  const padded = (list: readonly number[]): string =>
    list.map((cut, at) => padme(cut - (list[at - 1] ?? 0))).join();
  assert.notEqual(padded(others.slice(0, 8)), padded(own.slice(0, 8)));
});

test("attack 28: a keyring whose parameters make guessing cheap, or opening endless, is refused before the password is tried", async () => {
  await using server = await SealedServer.start();
  const alice = await Person.of(server, ALICE);
  const { accountKey } = alice.enrolled.device.secrets;
  const lie = async (change: object): Promise<void> => {
    await server.operator(async ({ manifests }) => {
      const labels = { type: "sejfAccountDocument", username: ALICE, name: "keyring" };
      for (const { id, labels: all } of await manifests.find(labels)) {
        const { text } = (await manifests.get(id)).data as { readonly text: string };
        const file = { ...(JSON.parse(text) as object), ...change };
        await manifests.put(all, { v: 1, text: JSON.stringify(file) });
        await manifests.delete(id);
      }
    });
    await server.running.refresh();
  };
  let guesses = 0;
  const unlock = async (): Promise<unknown> =>
    await unlockAccount(
      {
        ...server.tools,
        argon2id: async (...args) => {
          guesses++;
          return await server.tools.argon2id(...args);
        },
        account: ALICE,
        accountKey,
        server: server.https,
        opaqueKey: alice.enrolled.device.opaqueKey,
        documents: undefined,
        keyringVersion: 0,
      },
      SEALED_PASSWORD,
    );
  const right = { m: 65_536, t: 3, p: 1 };
  for (const weak of [
    { m: 65_535 },
    { m: 8 },
    { t: 1 },
    { m: 2 ** 22 },
    { t: 100_000 },
    { p: 0 },
  ]) {
    await lie({ ...right, ...weak });
    assert.match(await refusal(unlock()), /^SEJF_CORRUPT the keyring file asks for/);
  }
  assert.equal(guesses, 0);
  await lie(right);
  await unlock();
  assert.equal(guesses, 1);
});

test("attack 25, the network: no password is in anything that a client sends, and a server with another certificate is sent nothing", async () => {
  const sent: string[] = [];
  const proto = OutgoingMessage.prototype;
  // oxlint-disable-next-line unbound-method -- it is called with its own object, and put back
  const { end } = proto;
  proto.end = function recorded(this: OutgoingMessage, ...args: unknown[]) {
    if (typeof args[0] === "string") sent.push(args[0]);
    return (end as (...all: readonly unknown[]) => OutgoingMessage).apply(this, args);
  } as typeof end;
  try {
    await using server = await SealedServer.start();
    const { device } = await server.newSealed(ALICE, {}, { deletePassword: DELETE_PASSWORD });
    const who = {
      engine,
      account: ALICE,
      accountKey: device.secrets.accountKey,
      opaqueKey: device.opaqueKey,
    };
    const client = await logIn(who, server.https, SEALED_PASSWORD);
    await client.document("keyring");
    const open = await server.openDevice({ device }, "full", SEALED_PASSWORD, DELETE_PASSWORD);
    await open.guard().then(async ({ login }) => await login.prepare());
    await open.repository[Symbol.asyncDispose]();
    const all = sent.join("\n");
    assert.ok(all.includes('"startLoginRequest"') && all.includes('"keyring"'));
    const key = Buffer.from(device.secrets.accountKey);
    const hidden = [SEALED_PASSWORD, DELETE_PASSWORD, ...[key].map((k) => k.toString("base64url"))];
    for (const one of hidden)
      for (const text of [one, Buffer.from(one).toString("base64url"), JSON.stringify(one)])
        assert.equal(all.includes(text), false);
    sent.length = 0;
    const stranger = new AccountClient({ ...server.https, fingerprint: "00".repeat(32) }, "token");
    assert.match(await refusal(stranger.document("policies")), /^SEJF_ACCESS_DENIED/);
    assert.deepEqual(sent, []);
  } finally {
    proto.end = end;
  }
});
