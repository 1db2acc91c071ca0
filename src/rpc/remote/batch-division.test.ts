/** Batches that leave a thread, divided for a server: nothing is lost, and every message can be sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToHex, concatBytes, type OwnedBytes, viewOf } from "../../bytes/index.ts";
import { CONTENT_LIST_HEAD_BYTES, listedContents } from "../../format/index.ts";
import { numRuns } from "../../testkit/property.ts";
import { SeededRandom } from "../../testkit/random.ts";
import { MAX_MESSAGE_BYTES } from "../grpc/frames.ts";
import { encodeRequest } from "../wire/envelopes.ts";
import { divideBatch, type MessageOfMany } from "./batch-division.ts";

const HASH_BYTES = 16;
const RECORD_BYTES = CONTENT_LIST_HEAD_BYTES + HASH_BYTES;

test("divideBatch: each content is where it belongs, with its name, compressor and bytes", () => {
  const lengths = fc.array(fc.nat({ max: 40 }), { maxLength: 60 });
  fc.assert(
    fc.property(lengths, fc.nat({ max: 45 }), (sizes, singleFromBytes) => {
      const { bytes, list } = batchOf(sizes);
      const all = listedContents(list, HASH_BYTES, bytes.byteLength).map((content) => ({
        hash: content.hash,
        compressor: content.compressor,
        data: bytesToHex(bytes.subarray(content.offset, content.offset + content.lengthBytes)),
      }));
      const { singles, messages } = divideBatch(bytes, list, {
        hashBytes: HASH_BYTES,
        singleFromBytes,
      });
      const isSingle = ({ data }: { readonly data: string }): boolean =>
        data.length / 2 >= singleFromBytes;
      assert.deepEqual(
        singles.map(({ id, compressor, data }) => ({
          hash: id,
          compressor,
          data: bytesToHex(data),
        })),
        all.filter(isSingle),
      );
      assert.deepEqual(
        messages.flatMap(contentsOf),
        all.filter((content) => !isSingle(content)),
      );
    }),
    { numRuns: numRuns(200) },
  );
});

test("divideBatch: without long contents nothing is copied", () => {
  const { bytes, list } = batchOf([10, 20, 30]);
  const { messages } = divideBatch(bytes, list, { hashBytes: HASH_BYTES, singleFromBytes: 50 });
  const [message] = messages;
  assert.equal(messages.length, 1);
  assert.equal(message?.list.buffer, list.buffer);
  assert.deepEqual(
    message.data.map((piece) => [piece.buffer === bytes.buffer, piece.byteLength]),
    [[true, 60]],
  );
});

test("divideBatch: what does not fit into one message goes in several that do", () => {
  for (const [count, lengthBytes, expected] of [
    [40_000, 1, 3],
    [11, 4_000_000, 3],
    [5, 4 << 20, 2],
  ] as const) {
    const { bytes, list } = batchOf(Array.from({ length: count }, () => lengthBytes));
    const { messages, singles } = divideBatch(bytes, list, {
      hashBytes: HASH_BYTES,
      singleFromBytes: 5 << 20,
    });
    assert.equal(messages.length, expected);
    assert.equal(singles.length, 0);
    let contents = 0;
    for (const { list: own, data, contentCount } of messages) {
      contents += contentCount;
      assert.equal(own.byteLength, contentCount * RECORD_BYTES);
      const body = { list: own, data: data[0] ?? new Uint8Array(0) };
      const parts = encodeRequest(2n ** 40n, { kind: "writeContents", body });
      assert.ok(parts.reduce((sum, part) => sum + part.byteLength, 0) <= MAX_MESSAGE_BYTES);
    }
    assert.equal(contents, count);
  }
});

interface Content {
  readonly hash: string;
  readonly compressor: number;
  readonly data: string;
}

function contentsOf({ list, hashBytes, contentCount, data }: MessageOfMany): readonly Content[] {
  const bytes = concatBytes(...data);
  const contents = listedContents(list, hashBytes, bytes.byteLength);
  assert.equal(contents.length, contentCount);
  return contents.map(({ hash, compressor, offset, lengthBytes }) => ({
    hash,
    compressor,
    data: bytesToHex(bytes.subarray(offset, offset + lengthBytes)),
  }));
}

function batchOf(lengths: readonly number[]): {
  readonly bytes: OwnedBytes;
  readonly list: OwnedBytes;
} {
  const random = new SeededRandom(1);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const bytes = total > 1_000_000 ? new Uint8Array(total) : random.bytes(total);
  const list = random.bytes(lengths.length * RECORD_BYTES);
  for (const [i, length] of lengths.entries())
    viewOf(list).setUint32(i * RECORD_BYTES, length, true);
  return { bytes, list };
}
