import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import test from "node:test";
import { HTTP2_OUTBOX, Outbox, SOCKET_OUTBOX } from "./outbox.ts";

type Done = (error?: Error | null) => void;

/** Takes what it is given when it is told to. */
class SlowStream extends Duplex {
  /** Slices that were written as one. */
  readonly taken: (readonly Uint8Array[])[] = [];
  #done: Done | undefined;

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.taken.push([chunk]);
    this.#done = done;
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], done: Done): void {
    this.taken.push(chunks.map(({ chunk }) => chunk));
    this.#done = done;
  }

  override _read(): void {}

  /** False when nothing is on its way. */
  async go(): Promise<boolean> {
    const done = this.#done;
    this.#done = undefined;
    done?.();
    await new Promise((resolve) => setImmediate(resolve));
    return done !== undefined;
  }
}

function bytes(length: number, first: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (first + i * 7) % 251);
}

const PARTS = [bytes(5, 1), bytes(0, 2), bytes(1_300_000, 3), bytes(40, 4)];

for (const [name, limits] of Object.entries({ SOCKET_OUTBOX, HTTP2_OUTBOX }))
  test(`outbox: all bytes in order, told when the last one is taken (${name})`, async () => {
    const stream = new SlowStream();
    const outbox = new Outbox(stream, limits);
    let written = 0;
    outbox.push(PARTS, () => written++);
    outbox.push([bytes(3, 5)], () => (written += 10));
    assert.equal(written, 0);
    while (await stream.go());
    assert.equal(written, 11);
    assert.deepEqual(Buffer.concat(stream.taken.flat()), Buffer.concat([...PARTS, bytes(3, 5)]));
  });

test("outbox: to a socket each slice goes alone, and where it lies", async () => {
  const stream = new SlowStream();
  const outbox = new Outbox(stream, SOCKET_OUTBOX);
  outbox.push(PARTS, () => {});
  let most = 0;
  do most = Math.max(most, stream.writableLength);
  while (await stream.go());
  assert.ok(most <= 2 * SOCKET_OUTBOX.sliceBytes, `${most} bytes were handed over`);
  assert.deepEqual(
    stream.taken.map((slices) => slices.length),
    stream.taken.map(() => 1),
  );
  const sent = stream.taken.flat().filter(({ byteLength }) => byteLength > 0);
  for (const { buffer } of sent) assert.ok(PARTS.some((part) => part.buffer === buffer));
});

test("outbox: HTTP/2 gets half a MiB at once, to be put together", async () => {
  const stream = new SlowStream();
  const outbox = new Outbox(stream, HTTP2_OUTBOX);
  outbox.push(PARTS, () => {});
  const handed = stream.writableLength;
  assert.ok(handed >= HTTP2_OUTBOX.maxBytes, `only ${handed} bytes`);
  assert.ok(handed < HTTP2_OUTBOX.maxBytes + HTTP2_OUTBOX.sliceBytes, `${handed} bytes`);
  assert.ok((stream.taken[0]?.length ?? 0) > 1);
  outbox.flush();
  assert.equal(stream.writableLength, Buffer.concat(PARTS).byteLength);
});

test("outbox: of a stream that breaks nothing is told to be free", async () => {
  const stream = new SlowStream();
  stream.on("error", () => {});
  const outbox = new Outbox(stream, SOCKET_OUTBOX);
  let written = 0;
  outbox.push([bytes(10, 1)], () => written++);
  outbox.push([bytes(10, 2)], () => written++);
  stream.destroy(new Error("gone"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(written, 0);
});
