/** Many contents in one request, on the level of the protocol: an extension of ours to Kopia's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, hexToBytes, utf8ToBytes } from "../../bytes/index.ts";
import { compressorByName, portableCompressionEngine } from "../../compress/index.ts";
import { CONTENT_LIST_HEAD_BYTES, type ContentId } from "../../format/index.ts";
import type { SessionClient } from "../../rpc/index.ts";
import { AccountServer } from "../../testkit/account-server.ts";
import { SeededRandom } from "../../testkit/random.ts";

const ZSTD = compressorByName("zstd-fastest", portableCompressionEngine).id;

function someContents(seed: number): readonly Uint8Array<ArrayBuffer>[] {
  const random = new SeededRandom(seed);
  const short = Array.from({ length: 200 }, () => random.bytes(random.int(3000)));
  return [...short, utf8ToBytes("wordy ".repeat(9000)), random.bytes(100_000)];
}

function listOf(names: readonly string[], lengths: readonly number[], compressor = 0): Uint8Array {
  return concatBytes(
    ...names.map((name, i) => {
      const head = new DataView(new ArrayBuffer(CONTENT_LIST_HEAD_BYTES));
      head.setUint32(0, lengths[i] ?? 0, true);
      head.setUint32(4, compressor, true);
      return concatBytes(new Uint8Array(head.buffer), hexToBytes(name));
    }),
  );
}

/** As a client of ours sends them; gives their names. */
async function send(
  server: AccountServer,
  session: SessionClient,
  contents: readonly Uint8Array[],
  compressor = 0,
): Promise<readonly string[]> {
  const names = contents.map((data) => server.repository.contents.contentId(data, ""));
  const lengths = contents.map(({ byteLength }) => byteLength);
  await session.request("writeContents", {
    list: listOf(names, lengths, compressor),
    data: concatBytes(...contents),
  });
  return names;
}

test("a batch: what it brings is there, with the names it gives, and durable after the flush", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using session = await server.session(connection);
  assert.equal(session.parameters.sejfBatches, true);
  const contents = someContents(1);
  const names = await send(server, session, contents, ZSTD);
  await session.request("flush", {});
  for (const [i, contentId] of names.entries()) {
    const { data } = await session.request("getContent", { contentId });
    assert.ok(Buffer.from(data).equals(contents[i] as Uint8Array), contentId);
  }
  const wordy = await server.repository.contents.info(names[200] as ContentId);
  assert.ok((wordy?.packedLength ?? 1e6) < 1000);
  const [counted] = server.registry.list();
  assert.equal(counted?.counters.writtenContents, contents.length);
});

test("a batch: one and the same by many sessions at once is stored once, and each of them holds it", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using alice = await server.session(connection);
  await using bob = await server.session(connection, "bob@desk");
  const contents = someContents(2);
  const [names] = await Promise.all([
    send(server, alice, contents),
    send(server, bob, contents),
    send(server, alice, contents.toReversed()),
  ]);
  await Promise.all([alice.request("flush", {}), bob.request("flush", {})]);
  const [contentId = ""] = names;
  for (const session of [alice, bob]) await session.request("getContent", { contentId });
  const { writtenBytes, knownBytes } = server.repository.contents.statistics();
  const sent = contents.reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert.ok(writtenBytes < 1.2 * sent, `${writtenBytes} bytes stored of ${sent}`);
  assert.ok(knownBytes >= 2 * sent);
});

test("a batch: a false name refuses it, and the session goes on", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  await using session = await server.session(connection);
  const [one, other] = [utf8ToBytes("one"), utf8ToBytes("other")];
  const names = [one, other].map((data) => server.repository.contents.contentId(data, ""));
  const data = concatBytes(one, other);
  const attempts: readonly (readonly [Uint8Array, RegExp])[] = [
    [listOf(names.toReversed(), [3, 5]), /another hash/],
    [listOf(names, [3, 4]), /8 bytes/],
    [listOf(names, [3, 5]).subarray(1), /multiple/],
    [new Uint8Array(0), /bytes/],
    [listOf(names, [3, 5], 7777), /unsupported compressor 7777/],
  ];
  for (const [list, message] of attempts)
    await assert.rejects(session.request("writeContents", { list, data }), message);
  const empty = server.repository.contents.contentId(new Uint8Array(0), "");
  const many = Array.from({ length: 65_537 }, () => empty);
  const list = listOf(many, []);
  await assert.rejects(
    session.request("writeContents", { list, data: new Uint8Array(0) }),
    /1 to 65536 contents/,
  );
  await session.request("writeContents", { list: listOf(names, [3, 5]), data });
  assert.equal(
    (await session.request("getContentInfo", { contentId: names[1] ?? "" })).info?.originalLength,
    5,
  );
});

test("a batch: by who may not write, or beyond the quota, it is refused before anything is stored", async () => {
  await using server = await AccountServer.start();
  await using connection = await server.connect();
  const contents = someContents(3);
  const denied = { code: "SEJF_ACCESS_DENIED" };
  {
    await using session = await server.session(connection, "alice@laptop", { readOnly: true });
    await assert.rejects(send(server, session, contents), denied);
  }
  server.contentLevel = "READ";
  {
    await using session = await server.session(connection);
    await assert.rejects(send(server, session, contents), denied);
  }
  server.contentLevel = "FULL";
  const entry = server.accounts.get("alice@laptop");
  assert.ok(entry);
  entry.account = { ...entry.account, quotaBytes: 1000 };
  await using session = await server.session(connection);
  await assert.rejects(send(server, session, contents), /the quota of alice@laptop is used up/);
  await server.repository.flush();
  const id = server.repository.contents.contentId(contents[0] as Uint8Array, "");
  assert.equal(await server.repository.contents.info(id), undefined);
});
