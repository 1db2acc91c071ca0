/** The messages against traffic recorded between a real client and a real server, and against any bytes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { base64ToBytes, concatBytes, utf8ToBytes } from "../../bytes/index.ts";
import { isSejfError } from "../../errors/index.ts";
import { goldenPath } from "../../testkit/golden.ts";
import { numRuns } from "../../testkit/property.ts";
import {
  type AnyRequest,
  type AnyResponse,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  REQUEST_KINDS,
} from "./envelopes.ts";

interface TraceEvent {
  readonly op: string;
  readonly dir: string;
  readonly raw?: string;
  readonly message?: Readonly<Record<string, unknown>>;
}

const EVENTS = (
  JSON.parse(readFileSync(goldenPath("grpc-trace.json"), "utf8")) as {
    readonly events: readonly TraceEvent[];
  }
).events.filter((event) => event.raw !== undefined);

const rawOf = (event: TraceEvent): Uint8Array => base64ToBytes(event.raw ?? "");
const REQUESTS = EVENTS.filter((event) => event.dir === "c2s").map(rawOf);
const RESPONSES = EVENTS.filter((event) => event.dir === "s2c").map(rawOf);

test("recorded traffic: every kind of Kopia's requests but two is in it", () => {
  const kinds = new Set(REQUESTS.map((raw) => decodeRequest(raw).request?.kind));
  const missing = REQUEST_KINDS.filter((kind) => !kinds.has(kind));
  assert.deepEqual(missing, ["prefetchContents", "getCapacity", "writeContents"]);
});

test("recorded traffic: messages decode to what the record says, and back to the same", () => {
  for (const event of EVENTS) {
    const raw = rawOf(event);
    const isRequest = event.dir === "c2s";
    const decoded = isRequest ? decodeRequest(raw) : decodeResponse(raw);
    const inner = "request" in decoded ? decoded.request : decoded.response;
    assert.ok(inner !== undefined);
    assert.equal(String(decoded.requestId), event.message?.["requestId"]);
    compareBody(inner.body, event.message?.[inner.kind] ?? {});
    const again = isRequest
      ? decodeRequest(concatBytes(...encodeRequest(decoded.requestId, inner as AnyRequest)))
      : decodeResponse(
          concatBytes(
            ...encodeResponse(
              decoded.requestId,
              inner as AnyResponse,
              "hasMore" in decoded && decoded.hasMore,
            ),
          ),
        );
    assert.deepEqual(plain(again), plain(decoded));
  }
});

test("decodeRequest, decodeResponse: what was encoded, whatever the values", () => {
  const labels = fc.dictionary(fc.string(), fc.string(), { maxKeys: 5 });
  const bytes = fc.uint8Array({ maxLength: 300 });
  const unsigned = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const signed = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
  const text = fc.string({ unit: "grapheme" });
  const metadata = fc.record({
    id: text,
    modTimeNanos: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    length: signed,
    labels,
  });
  const requests = fc.oneof(
    request("writeContent", fc.record({ prefix: text, data: bytes, compression: unsigned })),
    request("putManifest", fc.record({ jsonData: bytes, labels })),
    request("findManifests", fc.record({ labels, pageSize: signed })),
    request("prefetchContents", fc.record({ contentIds: fc.array(text), hint: text })),
    request("getCapacity", fc.constant({})),
    request("writeContents", fc.record({ list: bytes, data: bytes })),
  );
  const capacity = fc.record({
    sizeBytes: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    freeBytes: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  });
  const parameters = fc.record({
    hashFunction: text,
    hmacSecret: bytes,
    splitter: text,
    supportsContentCompression: fc.boolean(),
    sejfBatches: fc.boolean(),
    sejfUpgrades: fc.boolean(),
  });
  const responses = fc.oneof(
    request("initializeSession", fc.record({ parameters })),
    request("writeContents", fc.constant({})),
    request("getContent", fc.record({ data: bytes })),
    request("findManifests", fc.record({ metadata: fc.array(metadata, { maxLength: 5 }) })),
    request("getCapacity", fc.record({ capacity: fc.option(capacity, { nil: undefined }) })),
    request("error", fc.record({ code: signed, message: text })),
  );
  const id = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  fc.assert(
    fc.property(id, requests, labels, (requestId, value, traceContext) => {
      const encoded = concatBytes(...encodeRequest(requestId, value as AnyRequest, traceContext));
      assert.deepEqual(
        plain(decodeRequest(encoded)),
        plain({ requestId, traceContext, request: value }),
      );
    }),
    { numRuns: numRuns(100) },
  );
  fc.assert(
    fc.property(id, responses, fc.boolean(), (requestId, value, hasMore) => {
      const encoded = concatBytes(...encodeResponse(requestId, value as AnyResponse, hasMore));
      assert.deepEqual(
        plain(decodeResponse(encoded)),
        plain({ requestId, hasMore, response: value }),
      );
    }),
    { numRuns: numRuns(100) },
  );
});

test("encodeRequest, encodeResponse: the short cuts make the same bytes as the codecs, and read them", () => {
  const contentId = fc.oneof(
    fc.stringMatching(/^[g-z]?[0-9a-f]{32}$/),
    fc.string({ maxLength: 130 }),
  );
  const data = fc.uint8Array({ minLength: 1, maxLength: 300 });
  const prefix = fc.constantFrom("", "k", "\u0000", "\u00e9");
  const compression = fc.constantFrom(0, 0x1000, 2 ** 32 - 1);
  const id = fc.constantFrom(0n, 1n, 127n, 128n, 2n ** 32n - 1n, 2n ** 32n, -1n);
  const requests = fc.oneof(
    request("writeContent", fc.record({ prefix, data, compression })),
    request("getContent", fc.record({ contentId })),
  );
  const responses = fc.oneof(
    request("writeContent", fc.record({ contentId })),
    request("getContent", fc.record({ data })),
  );
  fc.assert(
    fc.property(id, requests, responses, (requestId, asked, answered) => {
      const short = concatBytes(...encodeRequest(requestId, asked as AnyRequest));
      // A trace context of its own is none of the short cuts' business, and nothing on the wire when it is empty.
      assert.deepEqual(short, concatBytes(...encodeRequest(requestId, asked as AnyRequest, {})));
      assert.deepEqual(
        plain(decodeRequest(short)),
        plain({ requestId, traceContext: {}, request: asked }),
      );
      const answer = concatBytes(...encodeResponse(requestId, answered as AnyResponse));
      const expected = plain({ requestId, hasMore: false, response: answered });
      assert.deepEqual(plain(decodeResponse(answer)), expected);
      // The number of the request behind its body: read by the codecs, to the same effect.
      const idBytes = answer.findIndex((byte, at) => at > 0 && byte < 0x80) + 1;
      if (requestId === 0n) return;
      const turned = concatBytes(answer.subarray(idBytes), answer.subarray(0, idBytes));
      assert.deepEqual(plain(decodeResponse(turned)), expected);
    }),
    { numRuns: numRuns(200) },
  );
});

test("decodeRequest, decodeResponse: any bytes give a message or SEJF_CORRUPT, never another error", () => {
  const mutated = fc
    .tuple(
      fc.constantFrom(...REQUESTS, ...RESPONSES),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.nat(),
    )
    .map(([raw, changes, cut]) => {
      const copy = Uint8Array.from(raw);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return cut % 3 === 0 ? copy.subarray(0, cut % copy.length) : copy;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), mutated), (bytes) => {
      for (const decode of [decodeRequest, decodeResponse]) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(isSejfError(error, "SEJF_CORRUPT"), String(error));
        }
      }
    }),
    { numRuns: numRuns(500) },
  );
});

test("decodeRequest: unknown fields and kinds are passed over", () => {
  const unknown = Uint8Array.of(0xfa, 0x7f, 2, 1, 2); // field 2047, two bytes
  const [flush = unknown] = encodeRequest(7n, { kind: "flush", body: {} });
  const decoded = decodeRequest(concatBytes(unknown, flush, unknown));
  assert.equal(decoded.requestId, 7n);
  assert.equal(decoded.request?.kind, "flush");
  assert.equal(decodeRequest(concatBytes(Uint8Array.of(8, 9), unknown)).request, undefined);
});

test("decodeRequest: a label may have any name", () => {
  const labels = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>;
  const [raw = new Uint8Array(0)] = encodeRequest(1n, {
    kind: "findManifests",
    body: { labels, pageSize: 0 },
  });
  const { request: decoded } = decodeRequest(raw);
  assert.ok(decoded?.kind === "findManifests");
  assert.deepEqual(Object.entries(decoded.body.labels), Object.entries(labels));
  assert.equal(Object.getPrototypeOf(decoded.body.labels), Object.prototype);
});

test("decodeRequest: maps and lists are bounded", () => {
  const labels = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`k${i}`, ""]));
  const many = encodeRequest(1n, { kind: "findManifests", body: { labels, pageSize: 0 } });
  assert.throws(() => decodeRequest(concatBytes(...many)), { code: "SEJF_CORRUPT" });
  const contentIds = Array.from({ length: 200_001 }, () => "");
  const list = encodeRequest(1n, { kind: "prefetchContents", body: { contentIds, hint: "" } });
  assert.throws(() => decodeRequest(concatBytes(...list)), { code: "SEJF_CORRUPT" });
});

test("encodeRequest: the data of contents are sent as they are, not copied, and read in their place", () => {
  const data = utf8ToBytes("hello");
  const body = { prefix: "", data, compression: 0 };
  assert.equal(encodeRequest(1n, { kind: "writeContent", body }).at(-1), data);
  const many = { list: utf8ToBytes("list"), data };
  const parts = encodeRequest(1n, { kind: "writeContents", body: many });
  assert.equal(parts.at(-1), data);
  const message = concatBytes(...parts);
  const { request: decoded } = decodeRequest(message);
  assert.ok(decoded?.kind === "writeContents");
  assert.equal(decoded.body.data.buffer, message.buffer);
});

function request<B>(kind: string, body: fc.Arbitrary<B>): fc.Arbitrary<{ kind: string; body: B }> {
  return fc.record({ kind: fc.constant(kind), body });
}

/** Records have members of their own only where they are not the default; texts and bytes have other names there. */
function compareBody(actual: object, recorded: unknown): void {
  const expected = recorded as Record<string, unknown>;
  for (const [key, value] of Object.entries(actual)) {
    const wanted = expected[key];
    if (value instanceof Uint8Array) {
      if (typeof expected[`${key}Text`] === "string")
        assert.equal(Buffer.from(value).toString(), expected[`${key}Text`]);
      else if (typeof expected[`${key}Length`] === "number")
        assert.equal(value.length, expected[`${key}Length`]);
      else
        assert.deepEqual(
          Buffer.from(value),
          Buffer.from(base64ToBytes((wanted as string | undefined) ?? "")),
        );
    } else if (Array.isArray(value)) {
      const items = (wanted as unknown[] | undefined) ?? [];
      assert.equal(value.length, items.length);
      for (const [i, item] of value.entries())
        if (typeof item === "object") compareBody(item as object, items[i]);
        else assert.equal(item, items[i]);
    } else if (key === "labels") assert.deepEqual(value, wanted ?? {});
    else if (typeof value === "bigint") assert.equal(String(value), wanted ?? "0");
    else if (typeof value === "object" && value !== null) compareBody(value as object, wanted);
    else if (key === "code" || key === "eventArgsType") assert.equal(typeof value, "number");
    else
      assert.equal(
        value,
        wanted ?? (typeof value === "string" ? "" : typeof value === "boolean" ? false : 0),
      );
  }
}

/** Views as plain arrays, so that a Buffer and a Uint8Array of the same bytes are equal; maps without their prototype. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null)
    return Object.entries(value)
      .map(([key, item]) => [key, plain(item)] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return value;
}
