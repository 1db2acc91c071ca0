/** What holdings are told of contents that came in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesToHex, hexToBytes, utf8ToBytes } from "../../bytes/index.ts";
import { CONTENT_LIST_HEAD_BYTES } from "../../format/index.ts";
import { AccountServer } from "../../testkit/account-server.ts";
import { write } from "../../testkit/session-requests.ts";
import type { Holdings } from "../holding/index.ts";

interface Note {
  readonly id: string;
  readonly lengthBytes: number;
  readonly lossesBefore: number | undefined;
}

test("noteSent: with the losses before the content was stored, whatever is lost meanwhile", async () => {
  const notes: Note[] = [];
  const holdings: Holdings = {
    mode: "holding",
    // oxlint-disable-next-line require-await
    holds: async () => true,
    noteSent: (_account, id, lengthBytes, lossesBefore) =>
      void notes.push({ id, lengthBytes, lossesBefore }),
    noteBatch: (_account, { hashes, lengths }, lossesBefore) =>
      void notes.push({ id: bytesToHex(hashes), lengthBytes: lengths[0] ?? 0, lossesBefore }),
    arriving: () => ({ add: () => {}, retry: () => {} }),
    acceptSnapshot: async () => {},
    // oxlint-disable-next-line require-await
    usedBytes: async () => 0,
    forget: () => {},
    refresh: () => {},
    statistics: () => ({ accounts: 0, contents: 0, memoryBytes: 0 }),
  };
  await using server = await AccountServer.start({ method: { holdings } });
  const { contents } = server.repository;
  let losses = 5;
  Object.defineProperty(contents, "losses", { get: () => losses });
  const store = contents.write.bind(contents);
  contents.write = async (data, options): ReturnType<typeof store> => {
    losses++;
    return await store(data, options);
  };
  await using connection = await server.connect();
  await using session = await server.session(connection);
  const one = await write(session, utf8ToBytes("one"));
  const listing = await write(session, utf8ToBytes("listing"), "k");
  const long = await write(session, new Uint8Array(100_000));
  const data = utf8ToBytes("batch");
  const inBatch = contents.contentId(data, "");
  const list = new Uint8Array(CONTENT_LIST_HEAD_BYTES + inBatch.length / 2);
  new DataView(list.buffer).setUint32(0, data.byteLength, true);
  list.set(hexToBytes(inBatch), CONTENT_LIST_HEAD_BYTES);
  await session.request("writeContents", { list, data });
  assert.deepEqual(notes, [
    { id: one, lengthBytes: 3, lossesBefore: 5 },
    { id: listing, lengthBytes: 7, lossesBefore: 6 },
    { id: long, lengthBytes: 100_000, lossesBefore: 7 },
    { id: inBatch, lengthBytes: 5, lossesBefore: 8 },
  ]);
});
