/** Framing: messages survive any cutting of the stream; lengths are refused before anything is made for them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concatBytes } from "../../bytes/index.ts";
import { numRuns } from "../../testkit/property.ts";
import { FrameReader, framePrefix, MAX_MESSAGE_BYTES } from "./frames.ts";
import { GrpcError } from "./status.ts";

const MESSAGES = [Uint8Array.of(1, 2, 3), new Uint8Array(0), new Uint8Array(300).fill(7)];
const STREAM = concatBytes(
  ...MESSAGES.flatMap((message) => [framePrefix(message.length), message]),
);

test("FrameReader: a stream cut at any byte gives the same messages", () => {
  for (let at = 0; at <= STREAM.length; at++) {
    const reader = new FrameReader();
    const found = [...reader.push(STREAM.subarray(0, at)), ...reader.push(STREAM.subarray(at))];
    assert.deepEqual(found, MESSAGES);
    assert.equal(reader.isPartial, false);
  }
});

test("FrameReader: any messages in any pieces, absorbed or pushed", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 6 });
  const pieces = fc.array(fc.integer({ min: 0, max: 12 }));
  let absorbed = 0;
  fc.assert(
    fc.property(messages, pieces, fc.boolean(), (sent, cuts, absorbs) => {
      const bytes = concatBytes(...sent.flatMap((one) => [framePrefix(one.length), one]));
      const reader = new FrameReader();
      const found: Uint8Array[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        const piece = bytes.subarray(at, at + cut);
        if (absorbs && reader.absorb(piece)) absorbed++;
        else found.push(...reader.push(piece));
        at = Math.min(at + cut, bytes.length);
      }
      assert.deepEqual(
        found.map((one) => [...one]),
        sent.map((one) => [...one]),
      );
    }),
    { numRuns: numRuns(100) },
  );
  assert.ok(absorbed > 0);
});

test("FrameReader: each message has a buffer of its own", () => {
  const [first] = new FrameReader().push(STREAM);
  assert.equal(first?.buffer.byteLength, 3);
});

test("FrameReader: a message waits until it is admitted, wherever the stream is cut", () => {
  for (let at = 0; at <= STREAM.length; at++) {
    const asked: number[] = [];
    const reader = new FrameReader(MAX_MESSAGE_BYTES, (length) => {
      asked.push(length);
      return false;
    });
    const found: Uint8Array[] = [];
    for (const chunk of [STREAM.subarray(0, at), STREAM.subarray(at)]) {
      found.push(...reader.push(chunk));
      while (reader.waitingBytes !== undefined) {
        assert.equal(reader.waitingBytes, MESSAGES[found.length]?.length);
        found.push(...reader.admitted());
      }
    }
    assert.deepEqual(found, MESSAGES);
    assert.deepEqual(asked, [3, 0, 300]);
    assert.equal(reader.isPartial, false);
  }
});

test("FrameReader: a truncated stream is known as such", () => {
  for (const at of [1, 4, 6, 7]) {
    const reader = new FrameReader();
    assert.deepEqual([...reader.push(STREAM.subarray(0, at))], []);
    assert.equal(reader.isPartial, true);
  }
});

test("FrameReader: a longer message is refused by its prefix alone, a compressed one too", () => {
  const refuse = (prefix: readonly number[], status: string): void => {
    assert.throws(
      () => [...new FrameReader(1000).push(Uint8Array.from(prefix))],
      (error) => error instanceof GrpcError && error.status === status,
    );
  };
  refuse([0, 0, 0, 3, 0xe9], "RESOURCE_EXHAUSTED");
  refuse([0, 0xff, 0xff, 0xff, 0xff], "RESOURCE_EXHAUSTED");
  refuse([1, 0, 0, 0, 1], "UNIMPLEMENTED");
  refuse([2, 0, 0, 0, 1], "INTERNAL");
  assert.deepEqual([...new FrameReader(1000).push(Uint8Array.of(0, 0, 0, 3, 0xe8))], []);
});

test("framePrefix: what the other side would refuse is not sent", () => {
  assert.deepEqual([...framePrefix(MAX_MESSAGE_BYTES)], [0, 1, 0x40, 0, 0]);
  assert.throws(() => framePrefix(MAX_MESSAGE_BYTES + 1), { code: "SEJF_INVALID_ARGUMENT" });
});

test("FrameReader: any bytes give messages or a GrpcError, never another error", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (chunks) => {
      const reader = new FrameReader(64);
      try {
        for (const chunk of chunks)
          for (const message of reader.push(chunk)) assert.ok(message.length <= 64);
      } catch (error) {
        assert.ok(error instanceof GrpcError, String(error));
      }
    }),
    { numRuns: numRuns(200) },
  );
});
